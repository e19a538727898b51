"""BioC XML: documents that consist of passages (or sentences) with annotations at character offsets.

Passages are placed at their offsets (in characters); a gap between two is filled with a line break and blanks.
``title_end`` is set if the first passage is a title and a blank separates it from the next. An annotation with several
locations is one entity from the first to the last. Single mentions of a composite mention (``CompositeRole``) and
relations are ignored. The infon ``version`` of a document is its version if it is a whole number.

Each character that XML cannot hold (most control characters) is written as one U+FFFD, so that offsets stay valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from engine.data.formats.base import Format, writer
from engine.data.reading.checks import Place, whole_number
from engine.data.reading.source import Source
from engine.data.reading.xml import records
from engine.errors import quoted
from engine.text.documents import Document, Entity

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection>\n<source></source>\n<date></date>\n<key></key>\n"
)
MAX_GAP = 1_000_000  # characters; a wrong offset must not fill the memory with blanks
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production Char
FIELDS = ("id", "offset", "text")


@dataclass(slots=True)
class Part:
    """A document, passage, sentence or annotation of BioC XML or JSON; ``parts`` are those inside it, by kind."""

    fields: dict[str, str] = field(default_factory=dict)  # of FIELDS
    infons: dict[str, str] = field(default_factory=dict)
    locations: list[tuple[str, str]] = field(default_factory=list)  # offset, length
    parts: list[tuple[str, Part]] = field(default_factory=list)

    def of(self, wanted: str) -> Iterator[Part]:
        """Yields all parts of a kind below this one, in order."""
        for kind, part in self.parts:
            if kind == wanted:
                yield part
            yield from part.of(wanted)


def _records(source: Source) -> Iterator[tuple[int, Element]]:
    return (found for found in records(source, "collection") if found[1].tag == "document")


def _document(element: Element, place: Place) -> Document:
    return document_of(_part(element), place)


def _part(element: Element) -> Part:
    part = Part()
    for child in element:
        if child.tag == "infon":
            part.infons[child.get("key", "")] = "".join(child.itertext())
        elif child.tag == "location":
            part.locations.append((child.get("offset", ""), child.get("length", "")))
        elif child.tag in FIELDS:
            part.fields[child.tag] = "".join(child.itertext())
        else:
            part.parts.append((child.tag, _part(child)))
    return part


def document_of(part: Part, place: Place) -> Document:
    """Makes a document from a part; raises a `FormatError` if it is broken."""
    place.document = identifier = part.fields.get("id", "").strip()
    if not identifier:
        raise place.error("expected a document with an <id>, got none; add it")
    text, title_end = "", None
    for number, passage in enumerate(part.of("passage")):
        sentences = [] if passage.fields.get("text") else [*passage.of("sentence")]
        for of_text in sentences or [passage] * ("text" in passage.fields):
            text += _gap_and_text(len(text), of_text, place)
        if number == 0 and "title" in (passage.infons.get(key, "").lower() for key in ("type", "section_type")):
            title_end = len(text)
    if title_end is not None and text[title_end : title_end + 1].strip():
        title_end = None  # a title must be followed by a blank
    entities = sorted(
        _entity(annotation, text, place)
        for annotation in part.of("annotation")
        if annotation.infons.get("CompositeRole") != "IndividualMention"
    )
    # Another value is no version, because other programs may use this infon for something else.
    return Document(identifier, text, tuple(entities), title_end, whole_number(part.infons.get("version")))


def _gap_and_text(length: int, part: Part, place: Place) -> str:
    """Returns the padding from ``length`` characters to the offset of a passage or sentence, and its text."""
    offset = _offset_number(part.fields.get("offset", ""), place)
    if not length <= offset <= length + MAX_GAP:
        raise place.error(f"expected an offset of {length} characters or a little more, got {offset}; fix it")
    return ("\n".ljust(offset - length) if offset > length else "") + part.fields.get("text", "")


def _offset_number(value: str, place: Place) -> int:
    if (number := whole_number(value)) is None:
        raise place.error(f"expected a whole number as offset or length, got {quoted(value)}; fix it")
    return number


def _entity(part: Part, text: str, place: Place) -> Entity:
    infons = part.infons
    spans = [(_offset_number(offset, place), _offset_number(length, place)) for offset, length in part.locations]
    if not spans or not infons.get("type"):
        raise place.error("expected an annotation with a location and a type infon, got one without; add it")
    return place.entity(
        text,
        min(offset for offset, _ in spans),
        max(offset + length for offset, length in spans),
        infons["type"],
        mention=part.fields.get("text") if len(spans) == 1 else None,
        score=infons.get("score", 1),
    )


def record_of(document: Document) -> dict[str, Any]:
    """Returns a document as in BioC JSON: a passage each for title and abstract, or a single one without a type."""
    text, title_end = document.text, document.title_end
    passages = [_passage({} if title_end is None else {"type": "title"}, 0, text[:title_end])]
    if title_end is not None and title_end < len(text):
        # Readers fill the gap after a title with a line break; any other blank belongs to the abstract.
        begin = title_end + (text[title_end] == "\n")
        passages.append(_passage({"type": "abstract"}, begin, text[begin:]))
    for number, entity in enumerate(document.entities):
        passage = [one for one in passages if one["offset"] <= entity.start][-1]
        passage["annotations"].append(_annotation(str(number), entity))
    version = {} if document.version is None else {"version": str(document.version)}
    return {"id": document.id, "infons": version, "passages": passages, "annotations": [], "relations": []}


def _passage(infons: dict[str, str], offset: int, text: str) -> dict[str, Any]:
    return {"offset": offset, "infons": infons, "text": text, "sentences": [], "annotations": [], "relations": []}


def _annotation(identifier: str, entity: Entity) -> dict[str, Any]:
    infons = {"type": entity.type}
    if entity.score != 1:  # as gold entities have
        infons["score"] = repr(entity.score)
    locations = [{"offset": entity.start, "length": entity.end - entity.start}]
    return {"id": identifier, "infons": infons, "text": entity.text, "locations": locations}


def _write_document(document: Document) -> str:
    record = record_of(document)
    lines = ["<document>", f"<id>{_escape(record['id'])}</id>", *_infons(record)]
    for passage in record["passages"]:
        lines += ["<passage>", *_infons(passage), f"<offset>{passage['offset']}</offset>", _text(passage)]
        for one in passage["annotations"]:
            location = " ".join(f'{key}="{value}"' for key, value in one["locations"][0].items())
            inside = "".join([*_infons(one), f"<location {location}/>", _text(one)])
            lines.append(f'<annotation id="{one["id"]}">{inside}</annotation>')
        lines.append("</passage>")
    return "\n".join([*lines, "</document>"]) + "\n"


def _infons(record: dict[str, Any]) -> list[str]:
    return [f'<infon key="{key}">{_escape(value)}</infon>' for key, value in record["infons"].items()]


def _text(record: dict[str, Any]) -> str:
    return f"<text>{_escape(record['text'])}</text>"


def _escape(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})


BIOC = Format(
    "bioc",
    (".xml",),
    lambda head: head.startswith(b"<") and b"<collection" in head,
    _records,
    _document,
    writer(_write_document, _HEAD, "</collection>\n"),
)
