"""Finds the files to tag, here or wherever fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.core import has_magic

from engine import InputError
from engine.bulk.results import FORMATS, RECORD, suffix_of
from engine.data.formats import SUFFIXES
from engine.errors import first_line


@dataclass(frozen=True)
class Unit:
    """An input file.

    ``name``: its path below the given folder, without suffixes; its result and record are named after it.
    ``url``: where it is; ``size``: in bytes.
    """

    name: str
    url: str
    size: int


def find_units(inputs: Sequence[str], out: Path | None) -> list[Unit]:
    """Finds the files of inputs, each once, in the order of their names.

    From folders and globs, takes only files with a known format's suffix, zipped or not, and none that is hidden or in
    a hidden folder.

    Args:
        inputs: files, folders and globs; paths or URLs such as ``s3://…``.
        out: where results go, which is not searched; ``None``: nowhere.

    Raises:
        InputError: nothing there, nothing to read, two files of one name, or a folder called as a result.
    """
    found: dict[str, Unit] = {}
    for given in inputs:
        units = list(_units(given, out))
        if not units:
            raise InputError(f"expected files of {', '.join(sorted(_TAKEN))} in {given}, got none; check the path")
        for unit in units:
            other = found.setdefault(unit.name, unit)
            if other.url != unit.url:
                raise InputError(
                    f"expected files of different names, got {other.url} and {unit.url}; "
                    "give the folder above both, or where one folder holds both, a glob such as *.xml"
                )
    _check_folders(found)
    return [found[name] for name in sorted(found)]


def _check_folders(units: dict[str, Unit]) -> None:
    """Raises an `InputError` if a result, or its record, has the same path as another's folder."""
    results = {f"{name}{suffix}": unit for name, unit in units.items() for suffix in (RECORD, *map(suffix_of, FORMATS))}
    for name, unit in units.items():
        for folder in PurePosixPath(name).parents:
            if other := results.get(str(folder)):
                raise InputError(
                    f"expected no folder that is called as a result, got {folder} of {unit.url} beside {other.url}; "
                    "rename it, or give each file an --out of its own"
                )


_TAKEN = {*SUFFIXES, ".txt"}


def _units(given: str, out: Path | None) -> Iterator[Unit]:
    try:
        files, path = fsspec.core.url_to_fs(given)
        is_local = isinstance(files, fsspec.get_filesystem_class("file"))
        results = out.resolve() if is_local and out else None
        if files.isfile(path):
            yield _unit(files, files.info(path), PurePosixPath(path).name)
        elif files.isdir(path):
            if results and results.is_relative_to(Path(path).resolve()):
                raise InputError(f"expected --out outside the inputs, got {out} inside {given}; choose another folder")
            for file, info in files.find(path, detail=True).items():
                if _is_taken(file, path):
                    yield _unit(files, info, os.path.relpath(file, path))
        elif has_magic(path):
            for file, info in files.glob(path, detail=True).items():
                is_result = results and Path(file).resolve().is_relative_to(results)
                if info["type"] == "file" and _is_taken(file, path) and not is_result:
                    yield _unit(files, info, PurePosixPath(file).name)
    except InputError:
        raise
    except Exception as error:  # the library for this kind of URL is missing, or raises its own types
        raise InputError(f"expected files at {given}, got {first_line(error)}; check the path") from error


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


def _unit(files: Any, info: dict[str, Any], name: str) -> Unit:
    path = info["name"]
    local = isinstance(files, fsspec.get_filesystem_class("file"))
    return Unit(_split(name)[0], path if local else files.unstrip_protocol(path), int(info["size"] or 0))
