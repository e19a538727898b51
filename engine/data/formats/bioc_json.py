"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code interprets them. Documents are read
one by one, however large the file is.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from engine.data.formats.base import Format, writer
from engine.data.formats.bioc import FIELDS, Part, document_of, record_of
from engine.data.reading.checks import Item, Place, attempt, encoding_problem
from engine.data.reading.source import Source
from engine.errors import FormatError, quoted
from engine.text.documents import Document

MAX_DOCUMENT = 50_000_000  # characters
_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_LIST_KEYS = ("documents", "PubTator3")
_LIST_START = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_TOKEN_LENGTH = 16  # an error within this many characters of the buffer's end may be due to a token cut in two
_BLANKS = re.compile(r"[ \t\r\n]*")
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


class _JsonReader:
    """Reads JSON values from a file one by one; ``length`` is that of the last value, in characters."""

    def __init__(self, source: Source) -> None:
        self._texts = codecs.iterdecode(source.chunks(), "utf-8-sig")
        self._scan = json.JSONDecoder().raw_decode
        self._place = source.place
        self._text, self._at, self._ended = "", 0, False
        self.line = 1
        self.length = 0

    def peek(self) -> str:
        """Returns the next non-blank character without consuming it, or ``""`` at the end."""
        while True:
            self._move_to(_BLANKS.match(self._text, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read_more()

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
        """Reads a value; raises a `FormatError` if it is not JSON or too long."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _TOKEN_LENGTH
                if self._ended or not cut:
                    self._move_to(error.pos)
                    raise self.error(f"expected JSON, got {error.msg}; fix the file") from error
            except (ValueError, RecursionError) as error:
                raise self.error(f"expected JSON, got {error}; fix the file") from error
            else:
                if end < len(self._text) or self._ended:  # otherwise a number may continue
                    self.length = end - self._at
                    self._move_to(end)
                    return value
            self._read_more()

    def error(self, problem: str) -> FormatError:
        """Returns an error that names the current line."""
        return self._place(self.line).error(problem)

    def _move_to(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _read_more(self) -> None:
        """Doubles the buffered text, so that a long value is not scanned too often."""
        texts = [self._text[self._at :]]
        wanted = len(texts[0]) or 1
        if wanted > MAX_DOCUMENT:
            raise self.error(f"expected a document of at most {MAX_DOCUMENT:,} characters, got more; fix the file")
        try:
            while wanted > 0 and not self._ended:
                texts.append(next(self._texts, ""))
                wanted -= len(texts[-1])
                self._ended = not texts[-1]
        except UnicodeDecodeError as error:
            raise self.error(encoding_problem(error)) from error
        self._text, self._at = "".join(texts), 0


def _read(source: Source) -> Iterator[Item]:
    reader = _JsonReader(source)
    for line, record in _records(reader):
        yield attempt(source.place(line), partial(_document, record, reader.length))


def _records(reader: _JsonReader) -> Iterator[tuple[int, Any]]:
    """Yields the documents of a collection or of a list of them, each with its line."""
    found = False
    for _ in reader.items("[") if reader.peek() == "[" else [None]:
        for _ in reader.items("{"):
            key = reader.value()
            reader.take(":")
            if key in _LIST_KEYS and reader.peek() == "[":
                found = True
                for _ in reader.items("["):
                    yield reader.line, reader.value()
            else:
                reader.value()
    if not found:
        raise reader.error(
            f"expected BioC, an object with a list {' or '.join(_LIST_KEYS)}, got none; convert the file"
        )
    if reader.peek():
        raise reader.error(f"expected the end of the file, got {quoted(reader.peek())}; remove what follows")


def _document(record: Any, size: int, place: Place) -> Document:
    identifier = record.get("id") if isinstance(record, dict) else None
    place.document = None if identifier is None else str(identifier)
    return document_of(_part("document", record, place), size, place)


def _part(kind: str, record: Any, place: Place) -> Part:
    """Makes the same part as the reader of BioC XML does from an equal record."""

    def check_type(value: Any, type_: type, what: str) -> Any:
        if not isinstance(value, type_):
            wanted = "an object" if type_ is dict else "a list"
            raise place.error(f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
        return value

    part = Part(kind, place.line)
    for key, value in check_type(record, dict, kind).items():
        if key in FIELDS and value is not None:
            part.fields[key] = str(value)
        elif key == "infons":
            part.infons = {str(name): str(of) for name, of in check_type(value, dict, key).items() if of is not None}
        elif key == "locations":
            for location in check_type(value, list, key):
                at = check_type(location, dict, "location")
                part.locations.append((str(at.get("offset", "")), str(at.get("length", ""))))
        elif key in _PARTS:
            part.parts += [_part(_PARTS[key], one, place) for one in check_type(value, list, key)]
    return part


BIOC_JSON = Format(
    "bioc-json",
    (".json",),
    lambda head: head.startswith((b"{", b"[")) and _LIST_START.search(head) is not None,
    _read,
    writer(lambda document: json.dumps(record_of(document), ensure_ascii=False), _HEAD, "\n]}\n", ",\n"),
)
