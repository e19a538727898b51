"""Where a reader is in a file: unique ids, checks of values, and errors that name file, line and document."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count

from engine.errors import FormatError, InputError, first_line, quoted
from engine.text.documents import Document, Entity

OnError = Callable[[FormatError], None]
Item = Document | FormatError  # what readers yield: a document, or what is wrong with it

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
            FormatError: the span is not inside the text, the mention is not there (any blank equals another, and more
                at its end do not count), or the score is neither a finite number nor the text of one.
        """
        if not start < end <= len(text):
            raise self.error(
                f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the offsets"
            )
        found = text[start:end]
        wanted = found if mention is None else mention
        if _BLANK.sub(" ", found) not in (flat := _BLANK.sub(" ", wanted), flat.rstrip()):
            got = f"{quoted(found)} in the text"
            raise self.error(f"expected {quoted(wanted)} at {start}–{end}, got {got}; fix the offsets or the mention")
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
