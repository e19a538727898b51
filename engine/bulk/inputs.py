"""Finds the files to tag."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from stat import S_ISREG

from engine import InputError
from engine.formats import SUFFIXES
from engine.formats.checks import split_suffix

_INPUT_SUFFIXES = {*SUFFIXES, ".txt"}


@dataclass(frozen=True)
class InputFile:
    """A file to tag."""

    name: str  # path below the input folder, without suffixes; also the name of the result
    path: str  # absolute; links are kept
    size: int  # bytes


def find_files(inputs: Sequence[str], out: Path) -> tuple[list[InputFile], list[InputError], list[str]]:
    """Returns the files of all inputs, in the order of their names; errors; and the paths of files of other kinds.

    In folders, takes regular files with the suffix of a known format, gzipped or not; follows links, and skips hidden
    files and folders, and the results in ``out``, a resolved path. There is an error for each place that could not be
    searched, and for each file whose result would have the same name as another's. Raises it if there are no files.
    """
    by_name, problems, skipped = dict[str, InputFile](), list[InputError](), list[str]()
    for given in inputs:
        files = list(_files_of(given, out, problems, skipped))
        if not files:
            known = ", ".join(sorted(_INPUT_SUFFIXES))
            problems.append(InputError(f"{given!r} holds no files of {known}. Check the path."))
        for file in files:
            other = by_name.setdefault(file.name, file)
            if other.path != file.path:
                problem = f"{file.path} is left out: its result would have the same name as that of {other.path}."
                problems.append(InputError(f"{problem} Rename it, or give the folder above both."))
    if not by_name:
        raise problems[0]
    return [by_name[name] for name in sorted(by_name)], problems, skipped


def _files_of(given: str, out: Path, problems: list[InputError], skipped: list[str]) -> Iterator[InputFile]:
    path = os.path.abspath(os.path.expanduser(given))  # noqa: PTH100, PTH111  # keeps links
    if given and os.path.isfile(path):  # noqa: PTH113  # unlike Path, no error where a name is too long
        yield InputFile(split_suffix(PurePath(path).name)[0], path, Path(path).stat().st_size)
    elif given and os.path.isdir(path):  # noqa: PTH112  # likewise
        yield from _files_below(path, out, problems, skipped)


def _files_below(folder: str, out: Path, problems: list[InputError], skipped: list[str]) -> Iterator[InputFile]:
    """Yields the files to tag below a folder."""

    def on_error(error: OSError) -> None:
        problems.append(InputError(f"Cannot read {error.filename}: {error.strerror}. Repair or remove it."))

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
                if split_suffix(file.name)[1] not in _INPUT_SUFFIXES or not S_ISREG(stat.st_mode):
                    skipped.append(str(file))
                else:
                    yield InputFile(split_suffix(os.path.relpath(file, folder))[0], str(file), stat.st_size)
