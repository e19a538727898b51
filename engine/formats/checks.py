"""Checks that all readers share: unique ids, valid offsets and values; errors name file, line and document."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import PurePath
from typing import Any, TypeVar

from engine.errors import FormatError, InputError, first_line, quoted
from engine.text.documents import Document, Entity

OnError = Callable[[FormatError], None]
T = TypeVar("T")
Ids = dict[str, str]  # document id → file; ids must be unique over all files that are read together

_BLANK = re.compile(r"\s")
_SURROGATE = re.compile("[\ud800-\udfff]")


def split_suffix(name: str) -> tuple[str, str]:
    """Splits a file's name into the part before its suffixes and the suffix before any ``.gz``, in lower case."""
    path = PurePath(name)
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    return str(path.with_suffix("")), path.suffix.lower()


def raise_error(error: FormatError) -> None:
    raise error


@dataclass
class Place:
    """The current place of a reader, for its errors. The reader keeps ``line`` and ``document``, an id, up to date."""

    file: str
    line: int
    ids: Ids
    document: str | None = None
    problems: set[str] = field(default_factory=set)  # of the file, see `FormatError.repeats`

    def error(self, problem: str) -> FormatError:
        return FormatError(self.file, self.line, self.document, problem)

    def unexpected(self, error: Exception) -> FormatError:
        """Returns the error for an exception that no check expects."""
        return self.error(f"The document cannot be read: {type(error).__name__}: {first_line(error)}")

    def identify(self, identifier: str, number: int | None) -> str:
        """Sets and returns the document's id; a blank one becomes the file's name with ``number``, if it has one.

        If another document has that id, it is numbered.
        """
        wanted = _SURROGATE.sub("_", PurePath(split_suffix(self.file)[0]).name)  # names need not be UTF-8
        wanted += "" if number is None else f"-{number}"
        names = chain([wanted], (f"{wanted}-{again}" for again in count(2)))
        self.document = identifier if identifier.strip() else next(name for name in names if name not in self.ids)
        return self.document

    def register(self, document: Document) -> None:
        """Records a document's `versioned_id`, which must be unique.

        Raises a `FormatError` if another document has the same, or id or text holds half a character.
        """
        self.document = document.versioned_id
        if _SURROGATE.search(document.id):
            raise self.error("The id holds half a surrogate pair.")
        if half := _SURROGATE.search(document.text):
            raise self.error(f"The text holds half a surrogate pair at {half.start()}. Repair the text.")
        if other := self.ids.get(self.document):
            where = "above" if other == self.file else f"in {other}"
            raise self.error(f"The id is used already {where}. Rename either.")
        self.ids[self.document] = self.file

    def decode(self, raw: bytes) -> str:
        """Decodes a text that begins at this place; raises a `FormatError` if it is not UTF-8."""
        try:
            return raw.decode("utf-8-sig" if self.line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            self.line += raw.count(b"\n", 0, error.start)
            repeats = "encoding" in self.problems
            self.problems.add("encoding")
            problem = f"Byte 0x{error.object[error.start]:02x} is not UTF-8. Save the file as UTF-8."
            raise FormatError(self.file, self.line, self.document, problem, repeats=repeats) from error

    def entity(
        self, text: str, start: object, end: object, type_: object, *, mention: str | None = None, score: object = 1.0
    ) -> Entity:
        """Returns the entity at ``[start, end)`` of a text.

        Raises a `FormatError` unless the span is inside the text, the text there is ``mention`` (all blanks are equal,
        and trailing blanks of the mention are ignored), there is a type, and the score is a finite number or its text.
        """
        first, last = whole_number(start), whole_number(end)
        if first is None or last is None or not isinstance(type_, str) or not type_:
            got = ", ".join(quoted(str(value)) for value in (start, end, type_))
            raise self.error(f"An entity needs whole numbers as start and end, and a type, not {got}.")
        if not first < last <= len(text):
            raise self.error(f"{first}–{last} is no span inside the text of {len(text)} characters. Fix the offsets.")
        span = text[first:last]
        wanted = span if mention is None else mention
        if _BLANK.sub(" ", span) not in (normalised := _BLANK.sub(" ", wanted), normalised.rstrip()):
            raise self.error(f"The text at {first}–{last} is {quoted(span)}, not {quoted(wanted)}. Fix the offsets.")
        try:
            number = math.nan if isinstance(score, bool) else float(score)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"The score must be a finite number, not {quoted(str(score))}.")
        return Entity(first, last, type_, span, number)

    def entities(self, items: Iterable[T], make: Callable[[T], Entity]) -> tuple[Entity, ...]:
        """Returns the entities made of items, sorted; raises the first of their errors, with the others in it."""
        entities: list[Entity] = []
        errors: list[FormatError] = []
        for item in items:
            try:
                entities.append(make(item))
            except FormatError as error:
                errors.append(error.with_traceback(None))
        if errors:
            errors[0].others = tuple(errors[1:])
            del errors[1:]
            raise errors.pop()  # which no variable holds, so that memory is freed at once
        return tuple(sorted(entities))

    def title_end(self, value: object, text: str) -> int | None:
        """Returns where the title ends, ``None`` if there is none; raises a `FormatError` unless a blank follows."""
        end = whole_number(value)
        if value is not None and (end is None or end > len(text) or text[end : end + 1].strip()):
            raise self.error(f"No blank follows the title at title_end {quoted(str(value))}. Fix the offset.")
        return end


def make_documents(
    contents: Iterable[tuple[Place, Any]], make: Callable[[Any, Place], Document], on_error: OnError
) -> Iterator[Document]:
    """Yields the document of each content; calls ``on_error`` for one that is broken or whose id is taken."""
    for place, content in contents:
        begin = place.line
        try:
            document = make(content, place)
            place.line = begin
            place.register(document)
        except FormatError as error:
            on_error(error)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  # one document must not stop the others
            on_error(place.unexpected(error))
        else:
            yield document


def whole_number(value: object) -> int | None:
    """Returns a count or offset given as 12, 12.0 or ``"12"``, below 2³¹; ``None`` for anything else."""
    written = isinstance(value, str) and value.strip().isdecimal() and len(value) <= 18
    if written or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[call-overload]
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
