"""Checksums of a model folder's files, and atomic replacement of files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InputError, first_line

SUMS = "SHA256SUMS"
NEW = ".new"  # suffix of a file that will replace another
RUN_SETTINGS = "training.json"  # of the stage that made the folder; nothing loads it
# Files that libraries load from a folder without being told to: configurations, weights, vocabularies, templates.
LOADED = (".json", ".safetensors", ".bin", ".txt", ".model", ".jinja", ".py")
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path for a new file, which on success atomically replaces the one at ``path``."""
    fresh = path.with_name(path.name + NEW)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def updating(folder: Path, name: str) -> Iterator[Path]:
    """Yields a path for a new file of a model folder, which on success replaces the old one and its checksum."""
    with replacing(folder / SUMS) as sums, replacing(folder / name) as fresh:
        yield fresh
        _write_sums(sums, _read_sums(folder / SUMS) | {name: _digest(fresh)})


def write_checksums(folder: Path) -> None:
    """Writes ``SHA256SUMS`` for all other files of the folder except the model card and hidden ones."""
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix != NEW and path.name[0] != "."]
    _write_sums(folder / SUMS, {path.name: _digest(path) for path in files if path.name not in (SUMS, "README.md")})


def _write_sums(sums: Path, listed: Mapping[str, str]) -> None:
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(listed.items())), encoding="utf-8")


def _read_sums(sums: Path) -> dict[str, str]:
    """File → SHA-256, as listed.

    Raises:
        InputError: no such file, or one of something else.
    """
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"expected sums in {sums}, got {first_line(error)}; restore the file") from error
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not (match := _SUM.fullmatch(line)):
            raise InputError(f"expected a SHA-256 and a name in {sums}:{number}, got {line[:80]!r}; restore the file")
        listed[match[2]] = match[1]
    return listed


def verify_checksums(folder: Path, *, needed: bool) -> None:
    """Compares a model folder's files with its ``SHA256SUMS``.

    Args:
        folder: of the model.
        needed: whether it must have such a file.

    Raises:
        InputError: a file is missing or differs, or one that is loaded has no sum.
    """
    sums = folder / SUMS
    if not sums.is_file():
        if needed:
            raise InputError(f"expected {sums}, got no such file; restore the folder")
        return
    listed = _read_sums(sums)
    if "model.safetensors" not in listed:
        raise InputError(f"expected the sum of model.safetensors in {sums}, got none; restore the file")
    for name, digest in listed.items():
        if not (folder / name).is_file():
            raise InputError(f"expected {folder / name}, got no such file; restore the folder")
        if _digest(folder / name) != digest:
            raise InputError(f"expected {folder / name} with SHA-256 {digest}, got another; restore the file")
    for path in sorted(folder.iterdir()):
        if path.suffix in LOADED and path.name not in (*listed, RUN_SETTINGS):
            raise InputError(f"expected the sum of {path.name} in {sums}, got none; remove the file, or add its sum")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
