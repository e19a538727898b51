"""BioC XML: documents that consist of passages (or sentences) with annotations at character offsets.

A gap between two passages is filled with a line break and blanks. ``title_end`` is set if the first passage is a title
and a blank separates it from the next. An annotation with several locations is one entity from the first to the last.
Single mentions of a composite mention (``CompositeRole``) and relations are ignored. Each character that XML cannot
hold (most control characters) is written as one space if it is a blank, else as one U+FFFD, so that offsets stay valid.
"""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.errors import quoted
from engine.formats.base import Format, Source, escaped, unescaped
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
_NOT_IN_ID = re.compile(rf"{_FORBIDDEN.pattern}|^\s|\s$")

Record = dict[str, Any]  # a document, or a part of one, as in BioC JSON


def _records(source: Source) -> Iterator[tuple[int, Element]]:
    return ((line, element) for line, element in source.elements("collection") if element.tag == "document")


def _record_of_element(element: Element) -> Record:
    fields = {name: element.find(name) for name in _FIELDS}
    record: Record = {name: "".join(field.itertext()) for name, field in fields.items() if field is not None}
    record["infons"] = {infon.get("key", ""): "".join(infon.itertext()) for infon in element.iterfind("infon")}
    record["locations"] = [dict(location.attrib) for location in element.iterfind("location")]
    return record | {name: list(map(_record_of_element, element.iterfind(tag))) for name, tag in _PARTS.items()}


def document_of(record: Any, place: Place) -> Document:
    """Makes a document from its record, which may be anything; raises a `FormatError` if it is broken."""
    if not isinstance(record, dict):
        raise place.error(f"A document must be an object, not {type(record).__name__}.")
    place.document = identifier = unescaped(_text(record, "id").strip(), _NOT_IN_ID)
    if not identifier:
        raise place.error("The document has no id. Add one.")
    passages = [(passage, _parts_of(passage, place)) for passage in _objects(record, "passages", place)]
    room = MAX_BLANKS * sum(1 + len(_text(part, "text")) for _, parts in passages for part in parts)
    text, title_end, ends = "", None, list[int]()
    for number, (passage, parts) in enumerate(passages, start=1):
        for part in parts:
            gap = _number(part, "offset", place) - len(text)
            if not 0 <= gap <= room:
                allowed = f"between {len(text)} and {len(text) + room}"
                raise place.error(f"The offset of passage {number} must be {allowed}, not {len(text) + gap}.")
            room -= gap
            text += ("\n".ljust(gap) if gap else "") + _text(part, "text")
        infons = _infons(passage, place)
        if number == 1 and "title" in (infons.get(key, "").lower() for key in ("type", "section_type")):
            title_end = len(text)
        ends.append(len(text))
    if title_end is not None and text[title_end : title_end + 1].strip():
        title_end = None  # a title must be followed by a blank
    annotations = [each for part in _nested(record, place) for each in _objects(part, "annotations", place)]
    whole = (each for each in annotations if _infons(each, place).get("CompositeRole") != "IndividualMention")
    entities = place.entities(whole, lambda annotation: _entity(annotation, text, place))
    # Another value is no version, because other programs may use this infon for something else.
    version = whole_number(_infons(record, place).get("version"))
    return Document(identifier, text, entities, title_end, version, tuple(end for end in ends[:-1] if end != title_end))


def _nested(record: Record, place: Place) -> Iterator[Record]:
    """Yields a document, its passages, and their sentences."""
    yield record
    for name in ("passages", "sentences"):
        for part in _objects(record, name, place):
            yield from _nested(part, place)


def _parts_of(passage: Record, place: Place) -> list[Record]:
    """Returns the records that hold a passage's text: the passage itself or, if it has none, its sentences."""
    sentences = [] if passage.get("text") else _objects(passage, "sentences", place)
    return sentences or [passage] * (passage.get("text") is not None)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)


def _number(record: Record, name: str, place: Place) -> int:
    if (number := whole_number(record.get(name))) is None:
        raise place.error(f"{name} must be a whole number, not {quoted(_text(record, name))}.")
    return number


def _objects(record: Record, name: str, place: Place) -> list[Record]:
    value = [] if record.get(name) is None else record[name]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise place.error(f"{name} must be a list of objects, not {quoted(str(value))}.")
    return value


def _infons(record: Record, place: Place) -> dict[str, str]:
    value = {} if record.get("infons") is None else record["infons"]
    if not isinstance(value, dict):
        raise place.error(f"infons must be an object, not {quoted(str(value))}.")
    return {name: str(content) for name, content in value.items() if content is not None}


def _entity(annotation: Record, text: str, place: Place) -> Entity:
    infons, locations = _infons(annotation, place), _objects(annotation, "locations", place)
    if not locations or not infons.get("type"):
        raise place.error("An annotation has no location or no type infon. Add it.")
    starts, lengths = ([_number(at, name, place) for at in locations] for name in ("offset", "length"))
    end = max(map(sum, zip(starts, lengths, strict=True)))
    has_mention = len(locations) == 1 and annotation.get("text") is not None
    mention = _text(annotation, "text") if has_mention else None
    return place.entity(text, min(starts), end, infons["type"], mention=mention, score=infons.get("score", 1))


def record_of(document: Document) -> Record:
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
    identifier = escaped(document.id, _NOT_IN_ID)
    return {"id": identifier, "infons": version, "passages": passages, "annotations": [], "relations": []}


def _passage(infons: dict[str, str], offset: int, text: str) -> Record:
    return {"infons": infons, "offset": offset, "text": text, "sentences": [], "annotations": [], "relations": []}


def _annotation(identifier: str, entity: Entity) -> Record:
    score = {} if entity.score == 1 else {"score": repr(entity.score)}  # gold entities have 1
    locations = [{"offset": entity.start, "length": entity.end - entity.start}]
    return {"id": identifier, "infons": {"type": entity.type} | score, "locations": locations, "text": entity.text}


def _element(tag: str, record: Record) -> Element:
    """The XML element of a record that `record_of` made."""
    element = Element(tag)
    for key, value in record.items():
        if key == "id" and tag == "annotation":
            element.set(key, value)
        elif key in _FIELDS:
            SubElement(element, key).text = str(value)
        elif key == "infons":
            for name, content in value.items():
                SubElement(element, "infon", key=name).text = content
        elif key == "locations":
            for location in value:
                SubElement(element, "location", {name: str(number) for name, number in location.items()})
        elif key in _PARTS:
            element.extend(_element(_PARTS[key], part) for part in value)
    return element


def _write_document(document: Document) -> str:
    text = tostring(_element("document", record_of(document)), encoding="unicode")
    return _FORBIDDEN.sub(lambda match: " " if match[0].isspace() else "\ufffd", text).replace("\r", "&#13;") + "\n"


BIOC = Format(
    "bioc",
    (".xml",),
    lambda head: head.startswith(b"<") and b"<collection" in head,
    _records,
    lambda element, place: document_of(_record_of_element(element), place),
    _write_document,
    head=_HEAD,
    foot="</collection>\n",
)
