"""JSON lines: one object per line with ``id``, ``text``, ``title_end`` and ``entities`` as character spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial

from engine.data.formats.common import (
    MAX_VERSION,
    Ids,
    Item,
    attempt,
    decoded,
    finite_number,
    reader,
    too_much,
    whole_number,
    wrong_mention,
    wrong_title_end,
)
from engine.errors import FormatError, first_line, quoted
from engine.text.documents import Document, Entity


@reader
def read_jsonl(lines: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    """Documents of JSON lines as `write_jsonl` writes them.

    Only ``text`` is required; an entity needs ``start``, ``end`` (characters, end exclusive) and ``type``. A document
    without an id, or with a blank one, gets the number of its line.
    """
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            yield attempt(partial(_document, raw, file, number, ids), ids, file, number)


def _document(raw: bytes, file: str, number: int, ids: Ids) -> Document:
    try:
        record = json.loads(decoded(raw, file, number, None))
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        problem = f"expected one JSON object on the line, got {first_line(error)}; fix it"
        raise FormatError(file, number, None, problem) from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        got, remedy = ("none", "add it") if text is None else (quoted(str(text)), "fix it")
        raise FormatError(file, number, None, f'expected an object with a "text" string, got {got}; {remedy}')
    identifier = ""

    def broken(problem: str) -> FormatError:
        return FormatError(file, number, identifier, problem)

    identifier = ids.given(_string(record, "id", broken), str(number))
    title_end = record.get("title_end")
    if wrong := wrong_title_end(title_end, text):
        raise broken(wrong)
    entities: list[Entity] = []
    length = 0
    records = record.get("entities") or []
    if not isinstance(records, list):
        raise broken(f'expected "entities" as a list, got {quoted(str(records))}; fix it')
    for entity in records:
        one = _entity(entity, text, broken)
        length += one.end - one.start
        if wrong := too_much(length, len(raw)):
            raise broken(wrong)
        entities.append(one)
    return Document(identifier, text, tuple(sorted(entities)), whole_number(title_end), _version(record, broken))


def _version(record: dict[str, object], broken: Callable[[str], FormatError]) -> int | None:
    value = record.get("version")
    version = whole_number(value)
    if value is not None and (version is None or version > MAX_VERSION):
        raise broken(f"expected a whole number up to {MAX_VERSION} as version, got {quoted(str(value))}; fix it")
    return version


def _entity(record: object, text: str, broken: Callable[[str], FormatError]) -> Entity:
    fields: dict[str, object] = record if isinstance(record, dict) else {}
    start, end, type_ = whole_number(fields.get("start")), whole_number(fields.get("end")), fields.get("type")
    if start is None or end is None or not isinstance(type_, str) or not type_:
        raise broken(
            'expected whole numbers "start" and "end" and a "type" in every entity, '
            f"got {quoted(json.dumps(record, ensure_ascii=False))}; fix it"
        )
    if not start < end <= len(text):
        raise broken(f"expected a span inside {len(text)} characters, got {start}–{end}; fix it")
    score = finite_number(fields.get("score", 1.0))
    if score is None:
        raise broken(f'expected "score" as a finite number, got {quoted(str(fields["score"]))}; fix it')
    mention, concept, parts = (_string(fields, key, broken) for key in ("text", "concept", "parts"))
    if mention and (wrong := wrong_mention(mention, text, start, end)):
        raise broken(wrong)
    return Entity(start, end, type_, text[start:end], score, concept, parts)


def _string(record: dict[str, object], key: str, broken: Callable[[str], FormatError]) -> str:
    """A string, or a whole number as one; empty if there is none."""
    value = record.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise broken(f'expected "{key}" as a string, got {quoted(str(value))}; fix it')
    return "" if value is None else str(value)


def write_jsonl(document: Document) -> str:
    """The document as one JSON line.

    Keys: id, text, title_end, entities with start, end, type, text, score; version, concept and parts if known.
    """
    record = asdict(document)
    if document.version is None:
        del record["version"]
    for entity in record["entities"]:
        for key in ("concept", "parts"):
            if not entity[key]:
                del entity[key]
    return json.dumps(record, ensure_ascii=False) + "\n"
