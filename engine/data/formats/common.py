"""What the readers share: decoding, numbers, unique ids, limits, and how a broken document is reported.

A reader generates documents and, in place of broken ones, errors; `reader` turns it into a function that passes the
errors to ``on_error``.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain, count
from math import isfinite
from pathlib import Path
from typing import Protocol

from engine.errors import FormatError, InputError, first_line, quoted
from engine.text.documents import Document

OnError = Callable[[FormatError], None]
Item = Document | FormatError

MAX_VERSION = 2**31 - 1  # the most that a Parquet column holds
MAX_GROWTH = 4  # characters of text, or of all mentions, per byte that a document is read from
_BLANK = re.compile(r"\s")


def fail(error: FormatError) -> None:
    """The default of ``on_error``: raises."""
    raise error


class Ids:
    """The ids of the documents of a file, or of several read together; each occurs once."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._invented: set[str] = set()

    def claim(self, identifier: str, file: str, line: int) -> None:
        """Records the id of a document.

        Raises:
            FormatError: another document has this id.
        """
        if other := self._files.get(identifier):
            place = "above" if other == file else f"in {other}"
            got, remedy = "one that is used", "rename it"
            if identifier in self._invented:
                got, remedy = "the number of a document without an id", "give that one an id"
            raise FormatError(file, line, identifier, f"expected a unique id, got {got} {place}; {remedy}")
        self._files[identifier] = file

    def given(self, identifier: str, wanted: str) -> str:
        """A document's id or, if it is blank, an invented one."""
        return identifier if identifier.strip() else self.invent(wanted)

    def invent(self, wanted: str) -> str:
        """An id for a document that has none: ``wanted``, with a number appended if that is taken."""
        names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        name = next(name for name in names if name not in self._files)
        self._invented.add(name)
        return name


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


@contextmanager
def located(file: str, line: int, document: str | None = None) -> Iterator[None]:
    """Turns any error, unless it is an `InputError`, into a `FormatError` at this place."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise FormatError(file, line, document, _unreadable(error)) from error


def _unreadable(error: Exception) -> str:
    return f"expected a readable document, got {type(error).__name__}: {first_line(error)}; fix or remove it"


def attempt(make: Callable[[], Document], ids: Ids, file: str, line: int) -> Item:
    """The document that ``make`` returns, or what is wrong with it or its id."""
    try:
        with located(file, line):
            document = make()
        version = "" if document.version is None else f" version {document.version}"
        ids.claim(document.id + version, file, line)
    except FormatError as error:
        return error
    return document


def accepted(items: Iterable[Item], on_error: OnError) -> Iterator[Document]:
    """Yields the documents; errors go to ``on_error``."""
    for item in items:
        if isinstance(item, FormatError):
            on_error(item)
        else:
            yield item


class Reader(Protocol):
    """Documents of the lines or pieces of a file.

    Args:
        pieces: raw lines, split at ``\\n`` only; for XML, BioC JSON and plain text pieces of any size.
        file: a name for messages.
        on_error: see `engine.data.formats.read_documents`.
        ids: those already taken.
    """

    def __call__(
        self, pieces: Iterable[bytes], file: str = ..., on_error: OnError = ..., ids: Ids | None = ...
    ) -> Iterator[Document]: ...


def reader(read: Callable[[Iterable[bytes], str, Ids], Iterator[Item]]) -> Reader:
    """Turns a generator of documents and errors into a `Reader`; what it raises becomes an error that ends the file."""

    @wraps(read)
    def documents(
        pieces: Iterable[bytes], file: str = "<input>", on_error: OnError = fail, ids: Ids | None = None
    ) -> Iterator[Document]:
        lines = 0

        def counted() -> Iterator[bytes]:
            nonlocal lines
            for piece in pieces:
                yield piece
                lines += piece.count(b"\n")

        def items() -> Iterator[Item]:
            try:
                yield from read(counted(), file, ids or Ids())
            except FormatError as error:
                yield _last(error)
            except InputError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the other files are read
                yield _last(FormatError(file, lines + 1, None, _unreadable(error)))

        yield from accepted(items(), on_error)

    return documents


def _last(error: FormatError) -> FormatError:
    """The error as the one that ends its file."""
    problem = f"{error.problem}; nothing after this place was read"
    last = FormatError(error.file, error.line, error.document, problem)
    last.ends_file = True
    return last


def encoding_problem(error: UnicodeDecodeError) -> str:
    """The message for bytes that are not UTF-8."""
    return f"expected UTF-8, got byte 0x{error.object[error.start]:02x}; save the file as UTF-8"


def decoded(raw: bytes, file: str, number: int, document: str | None) -> str:
    """Line ``number`` of a file without its line break.

    Raises:
        FormatError: not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FormatError(file, number, document, encoding_problem(error)) from error


def whole_number(value: object) -> int | None:
    """A count or offset: the value of 12, 12.0 or ``"12"``; ``None`` for anything else."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= 18:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def finite_number(value: object) -> float | None:
    """A score: the value of 0.5 or ``"0.5"``; ``None`` for anything else, NaN and infinity included."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def wrong_mention(mention: str, text: str, start: int, end: int) -> str | None:
    """What is wrong with a mention expected at a place in the text, if anything; any blank equals another."""
    found = text[start:end]
    if _BLANK.sub(" ", mention) == _BLANK.sub(" ", found):
        return None
    return (
        f"expected {quoted(mention)} at {start}–{end}, got {quoted(found)} in the text; fix the offsets or the mention"
    )


def wrong_title_end(value: object, text: str) -> str | None:
    """What is wrong with the place where a title should end, if anything: a blank or nothing must follow."""
    end = whole_number(value)
    if value is None or (end is not None and end <= len(text) and not text[end : end + 1].strip()):
        return None
    return f"expected a blank after the title, got title_end {quoted(str(value))}; fix it"


def too_much(characters: int, size: int) -> str | None:
    """What is wrong with a document of ``size`` bytes that makes this many characters, if anything.

    Offsets can ask for any length of text, and overlapping mentions repeat it: a small file must not fill the memory.
    """
    if characters <= MAX_GROWTH * size:
        return None
    most = f"{MAX_GROWTH * size:,} characters, {MAX_GROWTH} times its bytes"
    return f"expected text and mentions of at most {most}, got {characters:,}; fix the offsets"


def flat(text: str) -> str:
    """The text on one line without tabs: each tab and line break becomes a space, so offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)
