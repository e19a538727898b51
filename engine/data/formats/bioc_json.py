"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code reads them. Documents are read one
by one, however large the file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

from engine.data.formats.bioc import Node, document_of, infons_of, infons_of_document, passages
from engine.data.formats.common import Ids, Item, attempt, reader
from engine.errors import FormatError, quoted
from engine.text.documents import Document, Entity

BIOC_JSON_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
BIOC_JSON_BETWEEN = ",\n"
BIOC_JSON_FOOT = "\n]}\n"

MAX_DOCUMENT = 50_000_000  # characters
_LISTS = ("documents", "PubTator3")
_CUT = 16  # an error within this many characters of the buffer's end may come from a token cut in two
_BLANKS = re.compile(r"[ \t\r\n]*")
_CHILDREN = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


class _Values:
    """Reads JSON values from a stream, one by one."""

    def __init__(self, chunks: Iterable[bytes], file: str) -> None:
        self._chunks = chain(zip(chunks, repeat(False)), [(b"", True)])
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._file = file
        self._text, self._at, self._ended = "", 0, False
        self.line = 1
        self.length = 0  # of the last value, in characters

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
        if (found := self.next()) not in tuple(expected):
            raise self.broken(
                f"expected {' or '.join(expected)}, got {quoted(found or 'the end of the file')}; fix the file"
            )
        self._move(self._at + 1)

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
                    raise self.broken(f"expected JSON, got {error.msg}; fix the file") from error
            except (ValueError, RecursionError) as error:
                raise self.broken(f"expected JSON, got {error}; fix the file") from error
            else:
                if end < len(self._text) or self._ended:  # otherwise a number may continue
                    self.length = end - self._at
                    self._move(end)
                    return value
            self._more()

    def broken(self, problem: str) -> FormatError:
        """The error at this place."""
        return FormatError(self._file, self.line, None, problem)

    def _move(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> None:
        """Reads about as much again as is held, so a long value is not scanned too often."""
        pieces, held = [self._text[self._at :]], len(self._text) - self._at
        if held > MAX_DOCUMENT:
            raise self.broken(f"expected a document of at most {MAX_DOCUMENT:,} characters, got more; fix the file")
        wanted = held or 1
        while wanted > 0 and not self._ended:
            chunk, self._ended = next(self._chunks)
            try:
                pieces.append(self._decode(chunk, self._ended))
            except UnicodeDecodeError as error:
                raise self.broken(f"expected UTF-8, got byte 0x{error.object[error.start]:02x}; convert it") from error
            wanted -= len(pieces[-1])
        self._text, self._at = "".join(pieces), 0


@reader
def read_bioc_json(chunks: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    """Documents of BioC JSON, each as soon as its end is read; see `engine.data.formats.bioc.read_bioc`."""
    for line, record, size in _records(_Values(chunks, file)):
        yield attempt(partial(_document, record, file, line, size), ids, file, line)


def _document(record: Any, file: str, line: int, size: int) -> Document:
    known = record.get("id") if isinstance(record, dict) else None
    node = _node("document", record, file, line, None if known is None else str(known))
    node.size = size
    return document_of(node, file)


def _records(values: _Values) -> Iterator[tuple[int, Any, int]]:
    """The documents of all collections, each as line, record and length."""
    listed = values.next() == "["
    if listed:
        values.take("[")
    found = False
    while values.next() == "{":
        values.take("{")
        while values.next() not in ("}", ""):
            key = values.value()
            values.take(":")
            if key in _LISTS and values.next() == "[":
                found = True
                yield from _items(values)
            else:
                values.value()
            if values.next() != "}":
                values.take(",")
        values.take("}")
        if not listed or values.next() != ",":
            break
        values.take(",")
    if listed:
        values.take("]")
    if not found:
        raise values.broken(f"expected BioC, an object with a list {' or '.join(_LISTS)}, got none; convert the file")
    if values.next():
        raise values.broken(f"expected the end of the file, got {quoted(values.next())}; remove what follows")


def _items(values: _Values) -> Iterator[tuple[int, Any, int]]:
    values.take("[")
    while values.next() != "]":
        line = values.line
        record = values.value()
        yield line, record, values.length
        if values.next() != "]":
            values.take(",")
    values.take("]")


def _node(kind: str, record: Any, file: str, line: int, document: str | None) -> Node:
    """Converts a record of the document with this id to what BioC XML's reader makes."""

    def checked(value: Any, type_: type, what: str) -> Any:
        if not isinstance(value, type_):
            wanted = "an object" if type_ is dict else "a list"
            raise FormatError(file, line, document, f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
        return value

    node = Node(kind, line)
    for key, value in checked(record, dict, kind).items():
        if key in ("id", "offset", "text") and value is not None:
            node.fields[key] = str(value)
        elif key == "infons":
            node.infons = {str(name): str(of) for name, of in checked(value, dict, key).items() if of is not None}
        elif key == "locations":
            for location in checked(value, list, key):
                place = checked(location, dict, "location")
                node.locations.append((str(place.get("offset", "")), str(place.get("length", ""))))
        elif key in _CHILDREN:
            node.children += [_node(_CHILDREN[key], child, file, line, document) for child in checked(value, list, key)]
    return node


def write_bioc_json(document: Document) -> str:
    """The document as an object of a collection, which needs ``BIOC_JSON_HEAD``, ``_BETWEEN`` and ``_FOOT``."""
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
