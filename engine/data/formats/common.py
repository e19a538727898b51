"""What the formats share: ``Format`` itself, the file being read, unique ids, limits, checks, messages."""

from __future__ import annotations

import codecs
import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from itertools import chain, count, islice
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import IO, cast

from engine.errors import FormatError, InputError, first_line, quoted
from engine.text.documents import Document, Entity

OnError = Callable[[FormatError], None]
OnDeleted = Callable[[str, int], None]
Item = Document | FormatError  # what readers yield: a document, or what is wrong with it

COLUMNS = ("id", "text")  # of Parquet
MAX_VERSION = 2**31 - 1  # the most that a Parquet column holds
MAX_GROWTH = 4  # characters of text, or of all mentions, per byte that a document is read from
_SNIFFED = 20  # lines from which a format is recognised, even if the first ones are broken
_UNPACKED, _UNPACKED_RATIO = 10_000_000, 50  # bytes allowed for any gzipped file, plus per packed byte; text has 3–10
_PIECE = 1 << 16  # bytes; a file without line breaks is read in pieces
_BLANK = re.compile(r"\s")


def fail(error: FormatError) -> None:
    """The default of ``on_error``: raises."""
    raise error


def ignore(identifier: str, version: int) -> None:
    """The default of ``on_deleted``."""


def not_written(documents: Iterable[Document]) -> Iterator[str]:
    """The ``write`` of a format that is only read."""
    raise InputError("expected a format that can be written, got one that is only read; choose another")


@dataclass(frozen=True)
class Format:
    """A file format.

    ``suffixes``: of file names, in lower case; written files get the first one.
    ``sniff``: whether a file that begins like this, without byte order mark and leading blanks, has the format.
    ``read``: yields the documents of a file and errors in place of broken ones; what it raises ends the file.
    ``write``: yields a file of documents in pieces: what comes before them, one piece for each, what comes after.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[Source], Iterator[Item]]
    write: Callable[[Iterable[Document]], Iterator[str]] = not_written

    @property
    def suffix(self) -> str:
        """The suffix of written files."""
        return self.suffixes[0]


def writer(
    document: Callable[[Document], str], head: str = "", foot: str = "", between: str = ""
) -> Callable[[Iterable[Document]], Iterator[str]]:
    """The ``write`` of a `Format`, from how one document is written and what comes before, after and between them."""

    def write(documents: Iterable[Document]) -> Iterator[str]:
        yield head
        for number, one in enumerate(documents):
            yield (between if number else "") + document(one)
        yield foot

    return write


class Ids:
    """The ids of the documents of a file, or of several read together; each occurs once."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._invented: set[str] = set()

    def claim(self, document: Document, file: str, line: int) -> None:
        """Records the id of a document; versions of a record count as different documents.

        Raises:
            FormatError: another document has this id.
        """
        identifier = document.id if document.version is None else f"{document.id} version {document.version}"
        if other := self._files.get(identifier):
            where = "above" if other == file else f"in {other}"
            got, remedy = "one that is used", "rename it"
            if identifier in self._invented:
                got, remedy = "the number of a document without an id", "give that one an id"
            problem = f"expected a unique id, got {got} {where}; {remedy}"
            raise FormatError(file, line, identifier, problem)
        self._files[identifier] = file

    def invent(self, wanted: str) -> str:
        """An id for a document that has none: ``wanted``, with a number appended if that is taken."""
        names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        name = next(name for name in names if name not in self._files)
        self._invented.add(name)
        return name


@dataclass
class Place:
    """Where a reader is, for its errors; it sets ``line`` and ``document``, an id, as it goes on."""

    file: str
    line: int
    ids: Ids
    document: str | None = None

    def error(self, problem: str) -> FormatError:
        """The error for a problem at this place."""
        return FormatError(self.file, self.line, self.document, problem)

    def identify(self, identifier: str, wanted: str = "") -> str:
        """Sets and returns the document's id; one without gets ``wanted`` or else the number of its line."""
        self.document = identifier if identifier.strip() else self.ids.invent(wanted or str(self.line))
        return self.document

    def decoded(self, raw: bytes) -> str:
        """The line at this place without its line break.

        Raises:
            FormatError: not UTF-8.
        """
        try:
            return raw.decode("utf-8-sig" if self.line == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self.error(encoding_problem(error)) from error

    def check_growth(self, characters: int, size: int) -> None:
        """Bounds the characters that a document of ``size`` bytes makes.

        Offsets can ask for any length of text, and overlapping mentions repeat it: a small file must not fill the
        memory.

        Raises:
            FormatError: they are more than ``MAX_GROWTH`` times its bytes.
        """
        if characters > MAX_GROWTH * size:
            most = f"{MAX_GROWTH * size:,} characters, {MAX_GROWTH} times its bytes"
            raise self.error(f"expected text and mentions of at most {most}, got {characters:,}; fix the offsets")

    def entity(
        self,
        text: str,
        start: int,
        end: int,
        type_: str,
        *,
        mention: str | None = None,
        score: object = 1.0,
        concept: str = "",
        parts: str = "",
    ) -> Entity:
        """The entity at ``[start, end)`` of a text.

        Raises:
            FormatError: the span is not inside the text, the mention is not there (any blank equals another, those at
                its end do not count), or the score is neither a finite number nor the text of one.
        """
        if not start < end <= len(text):
            raise self.error(
                f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the offsets"
            )
        found = text[start:end]
        if mention is not None and _BLANK.sub(" ", mention).rstrip() != _BLANK.sub(" ", found).rstrip():
            got = f"{quoted(found)} in the text"
            raise self.error(f"expected {quoted(mention)} at {start}–{end}, got {got}; fix the offsets or the mention")
        try:
            number = math.nan if isinstance(score, bool) else float(score)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"expected a finite number as score, got {quoted(str(score))}; fix it")
        return Entity(start, end, type_, found, number, concept, parts)

    def title_end(self, value: object, text: str) -> int | None:
        """Where a title ends, if the text has one.

        Raises:
            FormatError: something other than a blank follows.
        """
        end = whole_number(value)
        if value is not None and (end is None or end > len(text) or text[end : end + 1].strip()):
            raise self.error(f"expected a blank after the title, got title_end {quoted(str(value))}; fix it")
        return end


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


def attempt(place: Place, make: Callable[[Place], Document]) -> Item:
    """The document that ``make`` returns, or what is wrong with it or its id."""
    begin = place.line
    try:
        document = make(place)
        place.ids.claim(document, place.file, begin)
    except FormatError as error:
        return error
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the other documents are read
        return place.error(unreadable(error))
    return document


def accepted(items: Iterable[Item], on_error: OnError) -> Iterator[Document]:
    """Yields the documents; errors go to ``on_error``."""
    for item in items:
        if isinstance(item, FormatError):
            on_error(item)
        else:
            yield item


def unreadable(error: Exception) -> str:
    """The problem of a document whose reading raised an unexpected error."""
    return f"expected a readable document, got {type(error).__name__}: {first_line(error)}; fix or remove it"


def mostly(pattern: re.Pattern[bytes], head: bytes, *, but: re.Pattern[bytes] | None = None) -> bool:
    """Whether a pattern matches the beginning of more than half of the lines, not counting blank ones and ``but``."""
    lines = [line for line in head.split(b"\n") if line.strip() and not (but and but.match(line))]
    return 2 * sum(pattern.match(line) is not None for line in lines) > len(lines)


def encoding_problem(error: UnicodeDecodeError) -> str:
    """The problem of bytes that are not UTF-8."""
    return f"expected UTF-8, got byte 0x{error.object[error.start]:02x}; save the file as UTF-8"


def whole_number(value: object) -> int | None:
    """A count or offset: the value of 12, 12.0 or ``"12"``; ``None`` for anything else."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= 18:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def flat(text: str) -> str:
    """The text on one line without tabs: each tab and line break becomes a space, so offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)
