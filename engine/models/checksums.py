"""Checksums of a model folder's files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.cli.runs import replacing
from engine.errors import InputError, first_line

SUMS = "SHA256SUMS"
RUN_SETTINGS = "training.json"  # settings of the training stage that made the folder; no model is loaded from it
# Files that libraries load unasked: configurations, weights, vocabularies, templates.
LOADED = (".json", ".safetensors", ".bin", ".txt", ".model", ".jinja", ".py")
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@contextmanager
def updating(folder: Path, name: str) -> Iterator[Path]:
    """Yields a path for a new file of a model folder, which on success replaces the old one and its checksum.

    Until the file is replaced, both the old and the new checksum are listed, so a kill never leaves a broken folder. A
    folder without ``SHA256SUMS``, such as a checkpoint of others, gets none.
    """
    sums = folder / SUMS
    with replacing(folder / name) as fresh:
        yield fresh
        if not sums.is_file():
            return
        listed, new = _read_sums(sums), sha256_of(fresh)
        _write_sums(sums, listed | {name: {*listed.get(name, {sha256_of(folder / name)}), new}})
    _write_sums(sums, listed | {name: {new}})


def write_checksums(folder: Path, also: Iterable[str] = ()) -> None:
    """Writes ``SHA256SUMS`` for all files of the folder except itself, the model card and hidden files.

    ``also``: paths, relative to the folder, of files in folders below it.
    """
    files = [path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    listed = {name: {sha256_of(folder / name)} for name in files if name not in (SUMS, "README.md")}
    listed |= {name: {sha256_of(folder / name)} for name in also}
    _write_sums(folder / SUMS, listed)


def _write_sums(sums: Path, listed: Mapping[str, set[str]]) -> None:
    lines = [f"{digest}  {name}\n" for name in sorted(listed) for digest in sorted(listed[name])]
    with replacing(sums) as fresh:
        fresh.write_text("".join(lines), encoding="utf-8")


def _read_sums(sums: Path) -> dict[str, set[str]]:
    """Reads the listed SHA-256 of each file; a file that was being replaced has two."""
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"expected checksums in {sums}, got {first_line(error)}; restore the file") from error
    listed: dict[str, set[str]] = {}
    for number, line in enumerate(lines, start=1):
        if not (match := _SUM_LINE.fullmatch(line)):
            raise InputError(f"expected a SHA-256 and a name in {sums}:{number}, got {line[:80]!r}; restore the file")
        listed.setdefault(match[2], set()).add(match[1])
    return listed


def verify_checksums(folder: Path, *, needed: bool) -> None:
    """Compares a model folder's files with its ``SHA256SUMS``, which must exist if it is ``needed``.

    Raises:
        InputError: if a file is missing or differs, or a file that libraries load has no checksum.
    """
    sums = folder / SUMS
    if not sums.is_file():
        if needed:
            raise InputError(f"expected {sums}, got no such file; restore the folder")
        return
    listed = _read_sums(sums)
    if "model.safetensors" not in listed:
        raise InputError(f"expected the checksum of model.safetensors in {sums}, got none; restore the file")
    for name, digests in listed.items():
        if sha256_of(folder / name) in digests:
            continue
        if not (folder / name).is_file():
            raise InputError(f"expected {folder / name}, got no such file; restore the folder")
        raise InputError(f"expected {folder / name} with SHA-256 {min(digests)}, got another; restore the file")
    for path in sorted(folder.iterdir()):
        if path.suffix in LOADED and path.name not in (*listed, RUN_SETTINGS):
            raise InputError(
                f"expected the checksum of {path.name} in {sums}, got none; remove the file, or add its checksum"
            )


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, or that of no bytes if the file is missing."""
    if not path.is_file():
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
