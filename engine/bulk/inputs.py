"""Finds the files to tag, on this machine or any storage that fsspec supports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from fsspec import AbstractFileSystem, filesystem, get_filesystem_class
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


def find_files(inputs: Sequence[str], out: Path) -> tuple[list[InputFile], list[InputError]]:
    """Finds the files of all inputs, which are files, folders or globs, as paths or URLs such as ``s3://…``.

    In folders and globs, takes only regular files with the suffix of a known format, gzipped or not, and skips hidden
    files and folders, and the folder ``out`` of the results, a path without links. Follows links to folders, except
    those that ``**`` of a glob matches, and searches each folder once.

    Returns:
        The files, each once, in the order of their names, and the errors of inputs that were not searched completely.

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


def storage_of(place: str) -> tuple[AbstractFileSystem, str]:
    """Returns the storage of a path or URL, and the path in it.

    Unlike fsspec itself, takes any path of this machine as it is, and no ``::`` in a name as a chain of storages.
    """
    protocol, separator, path = place.partition("://")
    if not separator or place.startswith("/"):
        return LocalFileSystem(), os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111  # keeps links
    if protocol == "file":
        return storage_of(path)
    kind = get_filesystem_class(protocol)
    return filesystem(protocol, **kind._get_kwargs_from_urls(place)), kind._strip_protocol(place)


def _expand_input(given: str, out: Path, problems: list[InputError]) -> Iterator[InputFile]:
    if not given:
        raise InputError("expected a file, folder, glob or URL, got an empty name; give one")
    if given.startswith(("http://", "https://")) and _split_suffix(given)[1] not in _INPUT_SUFFIXES:
        raise InputError(f"expected {_KINDS} on the web, got {given}; give the address of each file")
    files, path = storage_of(given)
    local = isinstance(files, LocalFileSystem)
    is_file = files.isfile(path)
    is_folder = not is_file and files.isdir(path)  # on the web every file is a folder, too
    if is_file:
        found = {path: files.size(path)}
    elif local and is_folder:
        found = dict(_walk_folder(path, out, problems))
    elif local:
        paths = [Path(file) for file in files.glob(path) if _is_input(file, path)]
        found = {str(one): one.stat().st_size for one in paths if one.is_file() and out not in one.resolve().parents}
    else:
        listed = files.find(path, detail=True) if is_folder else files.glob(path, detail=True)
        found = {
            file: info["size"] for file, info in listed.items() if _is_input(file, path) and info["type"] == "file"
        }
    for file, size in found.items():
        name = os.path.relpath(file, path) if is_folder else PurePosixPath(file).name
        yield InputFile(_split_suffix(name)[0], file if local else files.unstrip_protocol(file), size or 0)


def _walk_folder(folder: str, out: Path, problems: list[InputError]) -> Iterator[tuple[str, int]]:
    """Yields path and size of the files to tag below a local folder."""

    def on_error(error: OSError) -> None:
        problems.append(InputError(f"expected to read {error.filename}, got {error.strerror}; repair or remove it"))

    searched = {out}
    for place, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        if (real := Path(place).resolve()) in searched:  # the results, or a link to a folder above or beside it
            folders.clear()
            continue
        searched.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in (Path(place, name) for name in sorted(names) if not name.startswith(".")):
            try:
                stat = file.stat()
            except OSError as error:  # a broken link, perhaps to a folder
                on_error(error)
            else:
                if _is_input(file.name, "") and S_ISREG(stat.st_mode):
                    yield str(file), stat.st_size


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
