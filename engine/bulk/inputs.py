"""Finds the files to tag, here or wherever fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from engine import InputError
from engine.data.formats import SUFFIXES
from engine.errors import first_line

_TAKEN = {*SUFFIXES, ".txt"}
_KINDS = f"files of {', '.join(sorted(_TAKEN))}"


@dataclass(frozen=True)
class InputFile:
    """A file to tag.

    ``name``: its path below the given folder, without suffixes; its result is named after it.
    ``url``: where it is; ``size``: in bytes, 0 if a server does not tell.
    """

    name: str
    url: str
    size: int


def find_files(inputs: Sequence[str], out: Path | None) -> tuple[list[InputFile], list[InputError]]:
    """Finds the files of inputs, each once, in the order of their names.

    From folders and globs, takes only regular files with a known format's suffix, zipped or not, and none that is
    hidden or in a hidden folder. Follows links to folders, except where ``**`` of a glob meets them.

    Args:
        inputs: files, folders and globs; paths or URLs such as ``s3://…``.
        out: where results go, which is not searched; ``None``: nowhere.

    Returns:
        The files, and what is wrong with inputs in which some or all could not be found.

    Raises:
        InputError: no files, or two of one name.
    """
    found: dict[str, InputFile] = {}
    problems: list[InputError] = []
    for given in inputs:
        files: list[InputFile] = []
        try:
            files += _files(given, out, problems)
            if not files:
                raise InputError(f"expected {_KINDS} in {given}, got none; check the path")
        except InputError as error:
            problems.append(error)
        except Exception as error:  # noqa: BLE001  # the library for this kind of URL is missing, or raises its own
            problems.append(InputError(f"expected files at {given}, got {first_line(error)}; check the path"))
        for file in files:
            other = found.setdefault(file.name, file)
            if other.url != file.url:
                raise InputError(
                    f"expected files of different names, got {other.url} and {file.url}; "
                    "give the folder above both, or where one folder holds both, a glob such as *.xml"
                )
    if not found:
        raise problems[0]
    return [found[name] for name in sorted(found)], problems


def _files(given: str, out: Path | None, problems: list[InputError]) -> Iterator[InputFile]:
    if not given:
        raise InputError("expected a file, folder, glob or URL, got an empty name; give one")
    if given.startswith(("http://", "https://")) and _split(given)[1] not in _TAKEN:
        raise InputError(f"expected {_KINDS} on the web, got {given}; give the address of each file")
    files, path = fsspec.core.url_to_fs(given)
    local = isinstance(files, LocalFileSystem)
    results = out.resolve() if local and out else None
    if files.isfile(path):
        found = {path: (files.info(path)["size"], PurePosixPath(path).name)}
    elif local and files.isdir(path):
        found = {file: (_size(file), os.path.relpath(file, path)) for file in _below(path, results, (), problems)}
    elif files.isdir(path):
        found = {
            file: (info["size"], os.path.relpath(file, path))
            for file, info in files.find(path, detail=True).items()
            if _is_taken(file, path)
        }
    elif has_magic(path):
        found = {
            file: (info["size"], PurePosixPath(file).name)
            for file, info in files.glob(path, detail=True).items()
            if (info["type"] == "file" or (local and Path(file).is_file()))
            and _is_taken(file, path)
            and not (results and Path(file).resolve().is_relative_to(results))
        }
    else:
        found = {}
    for file, (size, name) in found.items():
        yield InputFile(_split(name)[0], file if local else files.unstrip_protocol(file), int(size or 0))


def _below(folder: str, results: Path | None, above: tuple[Path, ...], problems: list[InputError]) -> Iterator[str]:
    """Yields the files to tag below a folder of this machine; ``above``: the folders that it was reached through."""
    real = Path(folder).resolve()
    if results and results.is_relative_to(real):
        raise InputError(f"expected --out outside the inputs, got {results} inside {folder}; choose another folder")
    if any(other.is_relative_to(real) for other in above):
        problems.append(InputError(f"expected links to other folders, got {folder} to one above it; remove the link"))
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        problems.append(InputError(f"expected a readable folder, got {folder}: {error.strerror}; change its rights"))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _below(entry.path, results, (*above, real), problems)
        elif _split(entry.name)[1] in _TAKEN and (entry.is_file() or not os.path.exists(entry)):  # noqa: PTH110
            yield entry.path  # a link that leads nowhere, too: it is reported when it is to be read


def _size(file: str) -> int:
    return Path(file).stat().st_size if Path(file).exists() else 0


def _is_taken(file: str, given: str) -> bool:
    """Whether to tag a file that was found; hidden folders are allowed if given by name."""
    hidden = {part for part in PurePosixPath(file).parts if part.startswith(".")}
    return hidden <= set(PurePosixPath(given).parts) and _split(file)[1] in _TAKEN


def _split(file: str) -> tuple[str, str]:
    """A name without suffixes, and the suffix that tells the format."""
    path = PurePosixPath(file)
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    return str(path.with_suffix("")), path.suffix.lower()
