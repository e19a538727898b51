"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, and the same code interprets them. A file is read into
memory as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from engine.errors import FormatError, quoted
from engine.formats.base import Format, writer
from engine.formats.bioc import document_of, record_of
from engine.formats.checks import Place
from engine.formats.source import Source
from engine.text.documents import Document

_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_LIST_START = re.compile(r'"(documents|PubTator3)"\s*:\s*\[')
_BLANKS = re.compile(r"[ \t\r\n]*")
_FIELDS = ("id", "offset", "text")
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}


def _records(source: Source) -> Iterator[tuple[int, Any]]:
    """Yields the documents of a collection or of a list of them, each with its line."""
    text, scan = source.place(1).decode(b"".join(source.chunks())), json.JSONDecoder().raw_decode
    line = 1
    at = end = 0  # where ``line`` is, and where reading goes on
    outside = ""  # the file without its documents
    while match := _LIST_START.search(text, end):
        outside += text[end : match.end()]
        end = _skip_blanks(text, match.end())
        while not text.startswith("]", end):
            line, at = line + text.count("\n", at, end), end
            try:
                record, end = scan(text, at)
            except (ValueError, RecursionError) as error:
                place = source.place(line + text.count("\n", at, getattr(error, "pos", at)))
                raise _not_json(error, place) from error
            yield line, record
            end = _skip_blanks(text, end)
            if text.startswith(",", end):
                end = _skip_blanks(text, end + 1)
            elif not text.startswith("]", end):
                found = quoted(text[end : end + 1] or "the end of the file")
                place = source.place(line + text.count("\n", at, end))
                raise place.error(f"expected , or ] after a document, got {found}; fix the file")
    try:
        json.loads(outside + text[end:])
    except (ValueError, RecursionError) as error:
        raise _not_json(error, source.place(line + text.count("\n", at, end))) from error
    if not outside:
        raise source.place(1).error(
            "expected BioC, an object with a list documents or PubTator3, got none; convert the file"
        )


def _skip_blanks(text: str, at: int) -> int:
    """The place of the next character that is not blank."""
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere


def _not_json(error: Exception, place: Place) -> FormatError:
    return place.error(f"expected JSON, got {getattr(error, 'msg', error)}; fix the file")


def _document(record: Any, place: Place) -> Document:
    return document_of(_element("document", record, place), place)


def _element(kind: str, record: Any, place: Place) -> Element:
    """Makes the element that BioC XML has for an equal record."""
    element = Element(kind)
    for key, value in _checked(record, dict, kind, place).items():
        if key in _FIELDS and value is not None:
            SubElement(element, key).text = str(value)
        elif key == "infons":
            for name, of in _checked(value, dict, key, place).items():
                if of is not None:
                    SubElement(element, "infon", key=str(name)).text = str(of)
        elif key == "locations":
            for one in _checked(value, list, key, place):
                location = _checked(one, dict, "location", place)
                SubElement(element, "location", {name: str(of) for name, of in location.items()})
        elif key in _PARTS:
            for one in _checked(value, list, key, place):
                element.append(_element(_PARTS[key], one, place))
    return element


def _checked(value: Any, type_: type, what: str, place: Place) -> Any:
    if not isinstance(value, type_):
        wanted = "an object" if type_ is dict else "a list"
        raise place.error(f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
    return value


BIOC_JSON = Format(
    "bioc-json",
    (".json",),
    lambda head: head.startswith((b"{", b"[")) and _LIST_START.search(head.decode("utf-8", "replace")) is not None,
    _records,
    _document,
    writer(lambda document: json.dumps(record_of(document), ensure_ascii=False), _HEAD, "\n]}\n", ",\n"),
)
