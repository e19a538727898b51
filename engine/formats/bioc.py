"""BioC XML: documents that consist of passages (or sentences) with annotations at character offsets.

A gap between two passages is filled with a line break and blanks. ``title_end`` is set if the first passage is a title
and a blank separates it from the next. An annotation with several locations is one entity from the first to the last.
Single mentions of a composite mention (``CompositeRole``) and relations are ignored. Each character that XML cannot
hold (most control characters) is written as one U+FFFD, so that offsets stay valid.
"""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.errors import quoted
from engine.formats.base import Format, Source
from engine.formats.checks import Place, whole_number
from engine.text.documents import Document, Entity

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection>\n<source></source>\n<date></date>\n<key></key>\n"
)
MAX_BLANKS = 10  # between passages, for each character of text; a wrong offset must not fill the memory
_FIELDS = ("id", "offset", "text")
_PARTS = {"passages": "passage", "sentences": "sentence", "annotations": "annotation"}
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production Char


def _records(source: Source) -> Iterator[tuple[int, Element]]:
    return ((line, element) for line, element in source.elements("collection") if element.tag == "document")


def document_of(element: Element, place: Place) -> Document:
    """Makes a document from its element; raises a `FormatError` if it is broken."""
    place.document = identifier = _field(element, "id").strip()
    if not identifier:
        raise place.error("expected a document with an <id>, got none; add it")
    passages = [(passage, _parts(passage)) for passage in element.iter("passage")]
    room = MAX_BLANKS * sum(1 + len(_field(part, "text")) for _, parts in passages for part in parts)
    text, title_end = "", None
    for number, (passage, parts) in enumerate(passages, start=1):
        for part in parts:
            gap = _number(_field(part, "offset"), place) - len(text)
            if not 0 <= gap <= room:
                wanted = f"passage {number} to begin between {len(text)} and {len(text) + room}"
                raise place.error(f"expected {wanted}, got the offset {len(text) + gap}; fix it")
            room -= gap
            text += ("\n".ljust(gap) if gap else "") + _field(part, "text")
        infons = _infons_of(passage)
        if number == 1 and "title" in (infons.get(key, "").lower() for key in ("type", "section_type")):
            title_end = len(text)
    if title_end is not None and text[title_end : title_end + 1].strip():
        title_end = None  # a title must be followed by a blank
    entities = sorted(
        _entity(annotation, text, place)
        for annotation in element.iter("annotation")
        if _infons_of(annotation).get("CompositeRole") != "IndividualMention"
    )
    # Another value is no version, because other programs may use this infon for something else.
    return Document(identifier, text, tuple(entities), title_end, whole_number(_infons_of(element).get("version")))


def _parts(passage: Element) -> list[Element]:
    """What holds a passage's text: its sentences, unless it has a text of its own."""
    sentences = [] if _field(passage, "text") else [*passage.iter("sentence")]
    return sentences or [passage] * (passage.find("text") is not None)


def _field(element: Element, name: str) -> str:
    """The text of an element inside another; ``""`` if there is none."""
    field = element.find(name)
    return "" if field is None else "".join(field.itertext())


def _infons_of(element: Element) -> dict[str, str]:
    return {infon.get("key", ""): "".join(infon.itertext()) for infon in element.iterfind("infon")}


def _number(value: str, place: Place) -> int:
    if (number := whole_number(value)) is None:
        raise place.error(f"expected a whole number as offset or length, got {quoted(value)}; fix it")
    return number


def _entity(annotation: Element, text: str, place: Place) -> Entity:
    infons, locations = _infons_of(annotation), annotation.findall("location")
    if not locations or not infons.get("type"):
        raise place.error("expected an annotation with a location and a type infon, got one without; add it")
    starts, lengths = ([_number(at.get(name, ""), place) for at in locations] for name in ("offset", "length"))
    end = max(map(sum, zip(starts, lengths, strict=True)))
    mention = _field(annotation, "text") if len(locations) == 1 and annotation.find("text") is not None else None
    return place.entity(text, min(starts), end, infons["type"], mention=mention, score=infons.get("score", 1))


def record_of(document: Document) -> dict[str, Any]:
    """Returns a document as in BioC JSON: a passage each for title and abstract, or a single one without a type."""
    text, title_end = document.text, document.title_end
    passages = [_passage({} if title_end is None else {"type": "title"}, 0, text[:title_end])]
    if title_end is not None and title_end < len(text):
        # Readers fill the gap after a title with a line break; any other blank belongs to the abstract.
        begin = title_end + (text[title_end] == "\n")
        passages.append(_passage({"type": "abstract"}, begin, text[begin:]))
    for number, entity in enumerate(document.entities):
        passage = [passage for passage in passages if passage["offset"] <= entity.start][-1]
        passage["annotations"].append(_annotation(str(number), entity))
    version = {} if document.version is None else {"version": str(document.version)}
    return {"id": document.id, "infons": version, "passages": passages, "annotations": [], "relations": []}


def _passage(infons: dict[str, str], offset: int, text: str) -> dict[str, Any]:
    return {"offset": offset, "infons": infons, "text": text, "sentences": [], "annotations": [], "relations": []}


def _annotation(identifier: str, entity: Entity) -> dict[str, Any]:
    score = {} if entity.score == 1 else {"score": repr(entity.score)}  # gold entities have 1
    locations = [{"offset": entity.start, "length": entity.end - entity.start}]
    return {"id": identifier, "infons": {"type": entity.type} | score, "text": entity.text, "locations": locations}


def element_of(kind: str, record: Any, place: Place) -> Element:
    """Makes the XML element of a record in JSON; raises a `FormatError` if it is of another type."""
    element = Element(kind)
    for key, value in _checked(record, dict, kind, place).items():
        if key == "id" and kind == "annotation":
            element.set(key, str(value))
        elif key in _FIELDS and value is not None:
            SubElement(element, key).text = str(value)
        elif key == "infons":
            for name, content in _checked(value, dict, key, place).items():
                if content is not None:
                    SubElement(element, "infon", key=str(name)).text = str(content)
        elif key == "locations":
            for location in _checked(value, list, key, place):
                numbers = _checked(location, dict, "location", place).items()
                SubElement(element, "location", {name: str(number) for name, number in numbers})
        elif key in _PARTS:
            element.extend(element_of(_PARTS[key], part, place) for part in _checked(value, list, key, place))
    return element


def _checked(value: Any, type_: type, what: str, place: Place) -> Any:
    if not isinstance(value, type_):
        wanted = "an object" if type_ is dict else "a list"
        raise place.error(f"expected {wanted} as {what}, got {type(value).__name__}; fix it")
    return value


def _write_document(document: Document) -> str:
    text = tostring(element_of("document", record_of(document), Place("", 1, {})), encoding="unicode")
    return _FORBIDDEN.sub("\ufffd", text).replace("\r", "&#13;") + "\n"


BIOC = Format(
    "bioc",
    (".xml",),
    lambda head: head.startswith(b"<") and b"<collection" in head,
    _records,
    document_of,
    _write_document,
    head=_HEAD,
    foot="</collection>\n",
)
