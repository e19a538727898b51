"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code interprets them. A file is read into
memory as a whole; errors in a document give its number as the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from engine.data.formats.base import Format, writer
from engine.data.formats.bioc import FIELDS, Part, document_of, record_of
from engine.data.reading.checks import Place
from engine.data.reading.source import Source
from engine.text.documents import Document

_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_LIST_KEYS = ("documents", "PubTator3")
_LIST_START = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


def _records(source: Source) -> Iterator[tuple[int, Any]]:
    """Yields the documents of a collection or of a list of them, each with its number."""
    place = source.place(1)
    text = place.decode(b"".join(source.chunks()))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        place.line = getattr(error, "lineno", 1)
        raise place.error(f"expected JSON, got {getattr(error, 'msg', error)}; fix the file") from error
    collections = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]
    lists = [one[key] for one in collections for key in _LIST_KEYS if isinstance(one.get(key), list)]
    if not lists:
        wanted = f"BioC, an object with a list {' or '.join(_LIST_KEYS)}"
        raise place.error(f"expected {wanted}, got none; convert the file")
    yield from enumerate(chain.from_iterable(lists), start=1)


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
