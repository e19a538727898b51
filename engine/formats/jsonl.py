"""JSON lines: one object per line with ``id``, ``text``, ``title_end`` and ``entities`` as character spans.

Only ``text`` is required; an entity needs ``start``, ``end`` and ``type``. ``version`` is written if known.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from engine.errors import first_line, quoted
from engine.formats.base import Format, Source
from engine.formats.checks import Place, whole_number
from engine.text.documents import Document, Entity

_OBJECT = re.compile(rb'\{\s*"')


def _records(source: Source) -> Iterator[tuple[int, bytes]]:
    return ((number, raw) for number, raw in enumerate(source.lines(), start=1) if raw.strip())


def _document(raw: bytes, place: Place) -> Document:
    line = place.decode(raw).rstrip("\r\n")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise place.error(f"The line is not one JSON object: {first_line(error)}") from error
    if not isinstance(record, dict) or not isinstance(text := record.get("text"), str):
        raise place.error(f'The line must be an object with a "text" string, not {quoted(line)}.')
    identifier = place.identify(_string(record, "id", place), place.line)
    title_end = place.title_end(record.get("title_end"), text)
    records = record.get("entities") or []
    if not isinstance(records, list):
        raise place.error(f'"entities" must be a list, not {quoted(str(records))}.')
    entities = place.entities(records, lambda record: _entity(record, text, place))
    version = whole_number(record.get("version"))
    if version is None and record.get("version") is not None:
        raise place.error(f'"version" must be a whole number, not {quoted(str(record["version"]))}.')
    return Document(identifier, text, entities, title_end, version)


def _entity(record: Any, text: str, place: Place) -> Entity:
    fields: dict[str, Any] = record if isinstance(record, dict) else {}
    span, mention = (fields.get(name) for name in ("start", "end", "type")), _string(fields, "text", place) or None
    return place.entity(text, *span, mention=mention, score=fields.get("score", 1.0))


def _string(record: dict[str, Any], key: str, place: Place) -> str:
    """Returns a field as a string; whole numbers are converted, and a missing field is empty."""
    value = record.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise place.error(f'"{key}" must be a string, not {quoted(str(value))}.')
    return "" if value is None else str(value)


def _write_document(document: Document) -> str:
    record = asdict(document)
    del record["sections"]
    if document.version is None:
        del record["version"]
    return json.dumps(record, ensure_ascii=False) + "\n"


JSONL = Format("jsonl", (".jsonl",), lambda head: _OBJECT.match(head) is not None, _records, _document, _write_document)
