"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code interprets them. A file is read into
memory as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from engine.data.formats.base import Format, writer
from engine.data.formats.bioc import FIELDS, Part, document_of, record_of
from engine.data.reading.checks import Place
from engine.data.reading.source import Source
from engine.errors import FormatError, quoted
from engine.text.documents import Document

_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_LIST_KEYS = ("documents", "PubTator3")
_LIST_START = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_BLANKS = re.compile(r"[ \t\r\n]*")
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


class _JsonReader:
    """Reads the JSON values of a text one by one; ``line`` is the line that it has reached."""

    def __init__(self, source: Source) -> None:
        place = source.place(1)
        self._text, self._place, self._at = place.decode(b"".join(source.chunks())), source.place, 0
        self._scan = json.JSONDecoder().raw_decode
        self.line = 1

    def peek(self) -> str:
        """Returns the next non-blank character without consuming it, or ``""`` at the end."""
        self._move_to(_BLANKS.match(self._text, self._at).end())  # type: ignore[union-attr]
        return self._text[self._at : self._at + 1]

    def take(self, expected: str) -> None:
        """Consumes one character; raises a `FormatError` if it is another one."""
        if (found := self.peek()) != expected:
            raise self.error(f"expected {expected}, got {quoted(found or 'the end of the file')}; fix the file")
        self._move_to(self._at + 1)

    def items(self, opening: str) -> Iterator[None]:
        """Yields before each item of a list or object, which ``opening`` begins; the caller reads the item."""
        end = {"[": "]", "{": "}"}[opening]
        self.take(opening)
        while self.peek() != end:
            yield
            if self.peek() != end:
                self.take(",")
        self.take(end)

    def value(self) -> Any:
        """Reads a value; raises a `FormatError` if it is not JSON."""
        self.peek()
        try:
            value, end = self._scan(self._text, self._at)
        except (ValueError, RecursionError) as error:
            if isinstance(error, json.JSONDecodeError):
                self._move_to(error.pos)
            raise self.error(f"expected JSON, got {getattr(error, 'msg', error)}; fix the file") from error
        self._move_to(end)
        return value

    def error(self, problem: str) -> FormatError:
        """Returns an error that names the current line."""
        return self._place(self.line).error(problem)

    def _move_to(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to


def _records(source: Source) -> Iterator[tuple[int, Any]]:
    """Yields the documents of a collection or of a list of them, each with its line."""
    reader, found = _JsonReader(source), False
    for _ in reader.items("[") if reader.peek() == "[" else [None]:
        for _ in reader.items("{"):
            key = reader.value()
            reader.take(":")
            if key in _LIST_KEYS and reader.peek() == "[":
                found = True
                for _ in reader.items("["):
                    reader.peek()
                    yield reader.line, reader.value()
            else:
                reader.value()
    if not found:
        raise reader.error(
            f"expected BioC, an object with a list {' or '.join(_LIST_KEYS)}, got none; convert the file"
        )
    if reader.peek():
        raise reader.error(f"expected the end of the file, got {quoted(reader.peek())}; remove what follows")


def _document(record: Any, place: Place) -> Document:
    return document_of(_part("document", record, place), place)


def _part(kind: str, record: Any, place: Place) -> Part:
    """Makes the same part as the reader of BioC XML does from an equal record."""
    part = Part()
    for key, value in _checked(record, dict, kind, place).items():
        if key in FIELDS and value is not None:
            part.fields[key] = str(value)
        elif key == "infons":
            infons = _checked(value, dict, key, place)
            part.infons = {str(name): str(of) for name, of in infons.items() if of is not None}
        elif key == "locations":
            places = [_checked(one, dict, "location", place) for one in _checked(value, list, key, place)]
            part.locations = [(str(one.get("offset", "")), str(one.get("length", ""))) for one in places]
        elif key in _PARTS:
            inside = _checked(value, list, key, place)
            part.parts += [(_PARTS[key], _part(_PARTS[key], one, place)) for one in inside]
    return part


def _checked(value: Any, type_: type, what: str, place: Place) -> Any:
    if not isinstance(value, type_):
        wanted = "an object" if type_ is dict else "a list"
        raise place.error(f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
    return value


BIOC_JSON = Format(
    "bioc-json",
    (".json",),
    lambda head: head.startswith((b"{", b"[")) and _LIST_START.search(head) is not None,
    _records,
    _document,
    writer(lambda document: json.dumps(record_of(document), ensure_ascii=False), _HEAD, "\n]}\n", ",\n"),
)
