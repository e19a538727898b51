"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code reads them. Documents are read one
by one, however large the file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

from engine.data.formats.base import Format, writer
from engine.data.formats.bioc import Part, document_of, infons_of, infons_of_document, passages
from engine.data.reading.checks import Item, Place, attempt, encoding_problem
from engine.data.reading.source import Source
from engine.errors import FormatError, quoted
from engine.text.documents import Document, Entity

MAX_DOCUMENT = 50_000_000  # characters
_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_LISTS = ("documents", "PubTator3")
_LISTED = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_CUT = 16  # an error within this many characters of the buffer's end may come from a token cut in two
_BLANKS = re.compile(r"[ \t\r\n]*")
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


class _Values:
    """Reads JSON values from a file, one by one; ``length``: of the last one, in characters."""

    def __init__(self, source: Source) -> None:
        self._pieces = chain(zip(source.pieces(), repeat(False)), [(b"", True)])
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._place = source.place
        self._text, self._at, self._ended = "", 0, False
        self.line = 1
        self.length = 0

    def next(self) -> str:
        """The next character that is not blank, without consuming it; ``""`` at the end."""
        while True:
            self._move(_BLANKS.match(self._text, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def take(self, expected: str) -> None:
        """Reads one character.

        Raises:
            FormatError: it is another.
        """
        if (found := self.next()) != expected:
            raise self.error(f"expected {expected}, got {quoted(found or 'the end of the file')}; fix the file")
        self._move(self._at + 1)

    def listed(self, end: str) -> Iterator[None]:
        """Yields before each item, which the caller reads, of a list or object that ``end`` closes."""
        while self.next() != end:
            yield
            if self.next() != end:
                self.take(",")
        self.take(end)

    def value(self) -> Any:
        """Reads a value.

        Raises:
            FormatError: no JSON, or one that is too long.
        """
        self.next()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _CUT
                if self._ended or not cut:
                    self._move(error.pos)
                    raise self.error(f"expected JSON, got {error.msg}; fix the file") from error
            except (ValueError, RecursionError) as error:
                raise self.error(f"expected JSON, got {error}; fix the file") from error
            else:
                if end < len(self._text) or self._ended:  # otherwise a number may continue
                    self.length = end - self._at
                    self._move(end)
                    return value
            self._more()

    def error(self, problem: str) -> FormatError:
        """The error for a problem at this place."""
        return self._place(self.line).error(problem)

    def _move(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> None:
        """Reads about as much again as is held, so a long value is not scanned too often."""
        pieces, held = [self._text[self._at :]], len(self._text) - self._at
        if held > MAX_DOCUMENT:
            raise self.error(f"expected a document of at most {MAX_DOCUMENT:,} characters, got more; fix the file")
        wanted = held or 1
        while wanted > 0 and not self._ended:
            piece, self._ended = next(self._pieces)
            try:
                pieces.append(self._decode(piece, self._ended))
            except UnicodeDecodeError as error:
                raise self.error(encoding_problem(error)) from error
            wanted -= len(pieces[-1])
        self._text, self._at = "".join(pieces), 0


def _read(source: Source) -> Iterator[Item]:
    values = _Values(source)
    for line, record in _records(values):
        yield attempt(source.place(line), partial(_document, record, values.length))


def _records(values: _Values) -> Iterator[tuple[int, Any]]:
    """The documents of all collections, each with its line."""
    found = False
    for _ in _collections(values):
        values.take("{")
        for _ in values.listed("}"):
            key = values.value()
            values.take(":")
            if key in _LISTS and values.next() == "[":
                found = True
                values.take("[")
                for _ in values.listed("]"):
                    yield values.line, values.value()
            else:
                values.value()
    if not found:
        raise values.error(f"expected BioC, an object with a list {' or '.join(_LISTS)}, got none; convert the file")
    if values.next():
        raise values.error(f"expected the end of the file, got {quoted(values.next())}; remove what follows")


def _collections(values: _Values) -> Iterator[None]:
    """Yields before each collection of the file, which is one or a list of several."""
    if values.next() == "[":
        values.take("[")
        yield from values.listed("]")
    else:
        yield


def _document(record: Any, size: int, place: Place) -> Document:
    identifier = record.get("id") if isinstance(record, dict) else None
    place.document = None if identifier is None else str(identifier)
    return document_of(_part("document", record, place), size, place)


def _part(kind: str, record: Any, place: Place) -> Part:
    """What BioC XML's reader makes of the same record."""

    def checked(value: Any, type_: type, what: str) -> Any:
        if not isinstance(value, type_):
            wanted = "an object" if type_ is dict else "a list"
            raise place.error(f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
        return value

    part = Part(kind, place.line)
    for key, value in checked(record, dict, kind).items():
        if key in ("id", "offset", "text") and value is not None:
            part.fields[key] = str(value)
        elif key == "infons":
            part.infons = {str(name): str(of) for name, of in checked(value, dict, key).items() if of is not None}
        elif key == "locations":
            for location in checked(value, list, key):
                at = checked(location, dict, "location")
                part.locations.append((str(at.get("offset", "")), str(at.get("length", ""))))
        elif key in _PARTS:
            part.parts += [_part(_PARTS[key], one, place) for one in checked(value, list, key)]
    return part


def _written(document: Document) -> str:
    parts = [
        {
            "offset": offset,
            "infons": {"type": type_} if type_ else {},
            "text": text,
            "sentences": [],
            "annotations": [_annotation(str(index), entity) for index, entity in entities],
            "relations": [],
        }
        for type_, offset, text, entities in passages(document)
    ]
    record = {
        "id": document.id,
        "infons": infons_of_document(document),
        "passages": parts,
        "annotations": [],
        "relations": [],
    }
    return json.dumps(record, ensure_ascii=False)


def _annotation(identifier: str, entity: Entity) -> dict[str, Any]:
    return {
        "id": identifier,
        "infons": infons_of(entity),
        "text": entity.text,
        "locations": [{"offset": entity.start, "length": entity.end - entity.start}],
    }


BIOC_JSON = Format(
    "bioc-json",
    (".json",),
    lambda head: head.startswith((b"{", b"[")) and _LISTED.search(head) is not None,
    _read,
    writer(_written, _HEAD, "\n]}\n", ",\n"),
)
