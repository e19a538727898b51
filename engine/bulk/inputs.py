"""Finds the files to tag, on this machine or any storage that fsspec supports."""

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

_INPUT_SUFFIXES = {*SUFFIXES, ".txt"}
_KINDS = f"files of {', '.join(sorted(_INPUT_SUFFIXES))}"


@dataclass(frozen=True)
class InputFile:
    """A file to tag.

    ``name`` is its path below the given folder, without suffixes; the result gets the same name.
    ``url`` is its path or URL; ``size`` is in bytes, 0 if a server does not tell.
    """

    name: str
    url: str
    size: int


def find_files(inputs: Sequence[str], out: Path | None) -> tuple[list[InputFile], list[InputError]]:
    """Finds the files of all inputs, each once, in the order of their names.

    In folders and globs, takes only regular files with the suffix of a known format, gzipped or not, and skips hidden
    files and folders. Follows links to folders, except those that ``**`` of a glob matches.

    Args:
        inputs: files, folders and globs; paths or URLs such as ``s3://…``.
        out: folder of the results, which is not searched; ``None`` if there is none.

    Returns:
        The files, and the errors of inputs that could not be searched completely.

    Raises:
        InputError: if there are no files, or two files have the same name.
    """
    found: dict[str, InputFile] = {}
    problems: list[InputError] = []
    for given in inputs:
        files: list[InputFile] = []
        try:
            files += _expand_input(given, out, problems)
            if not files:
                raise InputError(f"expected {_KINDS} in {given}, got none; check the path")
        except InputError as error:
            problems.append(error)
        except Exception as error:  # noqa: BLE001  # a missing library for this URL, or its own types
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


def _expand_input(given: str, out: Path | None, problems: list[InputError]) -> Iterator[InputFile]:
    if not given:
        raise InputError("expected a file, folder, glob or URL, got an empty name; give one")
    if given.startswith(("http://", "https://")) and _split_suffix(given)[1] not in _INPUT_SUFFIXES:
        raise InputError(f"expected {_KINDS} on the web, got {given}; give the address of each file")
    files, path = fsspec.core.url_to_fs(given)
    local = isinstance(files, LocalFileSystem)
    results = out.resolve() if local and out else None
    if files.isfile(path):
        found = {path: (files.info(path)["size"], PurePosixPath(path).name)}
    elif local and files.isdir(path):
        found = {
            file: (_file_size(file), os.path.relpath(file, path)) for file in _walk_folder(path, results, (), problems)
        }
    elif files.isdir(path):
        found = {
            file: (info["size"], os.path.relpath(file, path))
            for file, info in files.find(path, detail=True).items()
            if _is_input(file, path)
        }
    elif has_magic(path):
        found = {
            file: (info["size"], PurePosixPath(file).name)
            for file, info in files.glob(path, detail=True).items()
            if (info["type"] == "file" or (local and Path(file).is_file()))
            and _is_input(file, path)
            and not (results and Path(file).resolve().is_relative_to(results))
        }
    else:
        found = {}
    for file, (size, name) in found.items():
        yield InputFile(_split_suffix(name)[0], file if local else files.unstrip_protocol(file), int(size or 0))


def _walk_folder(
    folder: str, results: Path | None, above: tuple[Path, ...], problems: list[InputError]
) -> Iterator[str]:
    """Yields the files to tag below a local folder; ``above`` are the folders on the way to it."""
    real = Path(folder).resolve()
    if results and results.is_relative_to(real):
        raise InputError(f"expected --out outside the inputs, got {results} inside {folder}; choose another folder")
    if any(other.is_relative_to(real) for other in above):
        problems.append(
            InputError(f"expected links to other folders, got {folder}, a link to a folder above it; remove the link")
        )
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        problems.append(InputError(f"expected a readable folder, got {folder}: {error.strerror}; change its rights"))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            problems.append(
                InputError(f"expected a file or folder, got {entry.path}: {error.strerror}; remove the link")
            )
            continue
        if is_folder:
            yield from _walk_folder(entry.path, results, (*above, real), problems)
        elif _split_suffix(entry.name)[1] in _INPUT_SUFFIXES and (entry.is_file() or not os.path.exists(entry)):  # noqa: PTH110
            yield entry.path  # also a broken link, which is reported when it is read


def _file_size(file: str) -> int:
    return Path(file).stat().st_size if Path(file).exists() else 0


def _is_input(file: str, given: str) -> bool:
    """Whether a file that was found is an input; hidden folders are allowed only if the user named them."""
    hidden = {part for part in PurePosixPath(file).parts if part.startswith(".")}
    return hidden <= set(PurePosixPath(given).parts) and _split_suffix(file)[1] in _INPUT_SUFFIXES


def _split_suffix(file: str) -> tuple[str, str]:
    """Splits a name into the part before its suffixes and the suffix of the format."""
    path = PurePosixPath(file)
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    return str(path.with_suffix("")), path.suffix.lower()
