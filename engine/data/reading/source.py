"""An open file as readers see it: unpacked, in pieces, lines or blocks, its beginning at hand."""

from __future__ import annotations

import codecs
import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import SEEK_END
from itertools import chain, islice
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import IO, cast

from engine.data.reading.checks import Ids, Place
from engine.errors import InputError, first_line

OnDeleted = Callable[[str, int], None]

COLUMNS = ("id", "text")  # of Parquet
_SNIFFED = 20  # lines from which a format is recognised, even if the first ones are broken
_UNPACKED, _UNPACKED_RATIO = 10_000_000, 50  # bytes allowed for any gzipped file, plus per packed byte; text has 3–10
_PIECE = 1 << 16  # bytes; a file without line breaks is read in pieces


def ignore(identifier: str, version: int) -> None:
    """The default of ``on_deleted``."""


class Source:
    """An open file as readers see it: unpacked if its name ends in ``.gz``, but not without bound.

    Args:
        file: open in binary mode; it is read once, so a pipe works.
        name: path or URL, for its suffix and for messages.
        ids: those already taken.
        columns: of Parquet: those of ids and texts.
        on_deleted: of PubMed: called with the PMID and version of each citation that the file deletes.

    ``suffix``: of the name, in lower case, without ``.gz``.
    ``head``: the first lines, without byte order mark and leading blanks.
    ``line``: the number of the line being read, from 1.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(
        self,
        file: IO[bytes],
        name: str,
        ids: Ids | None = None,
        columns: tuple[str, str] = COLUMNS,
        on_deleted: OnDeleted = ignore,
    ) -> None:
        self.name, self.columns, self.on_deleted = name, columns, on_deleted
        self.ids = Ids() if ids is None else ids
        self.line = 1
        path = PurePath(name)
        self._packed = path.suffix.lower() == ".gz"
        self.suffix = (path.with_suffix("") if self._packed else path).suffix.lower()
        self._most = _most_bytes(file, name) if self._packed else math.inf
        self._file = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if self._packed else file
        self._rest = self._read()
        self._begin = list(islice(self._rest, _SNIFFED))
        self.head = b"".join(self._begin).removeprefix(codecs.BOM_UTF8).lstrip()

    def _read(self) -> Iterator[bytes]:
        size = 0
        with readable(self.name):
            for piece in iter(lambda: self._file.readline(_PIECE), b""):
                size += len(piece)
                if size > self._most:
                    problem = f"expected at most {self._most:,} bytes in {self.name}, got more"
                    raise InputError(f"{problem}; unpack the file first")
                yield piece

    def place(self, line: int) -> Place:
        """A place in the file."""
        return Place(self.name, line, self.ids)

    def pieces(self) -> Iterator[bytes]:
        """The file line by line, with long lines in several pieces."""
        for piece in chain(self._begin, self._rest):
            yield piece
            self.line += piece.count(b"\n")

    def lines(self) -> Iterator[bytes]:
        """The file line by line, split at ``\\n`` only."""
        begun: list[bytes] = []
        for piece in self.pieces():
            begun.append(piece)
            if piece.endswith(b"\n"):
                yield b"".join(begun)
                begun = []
        if begun:
            yield b"".join(begun)

    def blocks(self, begins: Callable[[bytes], bool]) -> Iterator[list[tuple[int, bytes]]]:
        """The lines with their numbers, in blocks: ``begins`` says which lines start one; none starts with a blank."""
        block: list[tuple[int, bytes]] = []
        for number, line in enumerate(self.lines(), start=1):
            if begins(line) and block:
                yield block
                block = []
            if block or line.strip():
                block.append((number, line))
        if block:
            yield block

    def seekable(self) -> IO[bytes]:
        """The file at its beginning, as a temporary copy if it is gzipped or a pipe."""
        if not self._packed and self._file.seekable():
            self._file.seek(0)
            return self._file
        copy = TemporaryFile()  # noqa: SIM115  # closed with the object
        copy.writelines(self.pieces())
        copy.seek(0)
        return copy


def _most_bytes(file: IO[bytes], name: str) -> float:
    """How many bytes a gzipped file may hold: a small one must not fill the memory.

    Raises:
        InputError: it is empty, which no gzipped file is.
    """
    try:
        size = file.seek(0, SEEK_END)
        file.seek(0)
    except (OSError, ValueError):  # a pipe, or a server that only sends whole files
        return math.inf
    if not size:
        raise InputError(f"expected a gzipped file, got an empty one, {name}; fetch it again")
    return _UNPACKED + _UNPACKED_RATIO * size


@contextmanager
def readable(name: str | Path) -> Iterator[None]:
    """Turns any error in reading a file into an `InputError` that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # libraries for remote files raise their own types
        problem = getattr(error, "strerror", None) or first_line(error)
        remedy = "fetch it again" if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile) else "check the path"
        raise InputError(f"expected a readable file, got {name}: {problem}; {remedy}") from error
