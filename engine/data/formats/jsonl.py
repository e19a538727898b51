"""JSON lines: one object a line with ``id``, ``text``, ``title_end`` and ``entities`` as character spans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from engine.data.formats.common import OnError, claim, decoded, fail
from engine.errors import FormatError
from engine.text.documents import Document, Entity


def read_jsonl(lines: Iterable[bytes], file: str = "<lines>", on_error: OnError = fail) -> Iterator[Document]:
    """Documents of JSON lines as `write_jsonl` writes them.

    Only ``text`` is required; an entity needs ``start``, ``end`` (characters, end exclusive) and ``type``.
    """
    seen: set[str] = set()
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            document = _parse(decoded(raw, file, number, None), file, number)
            claim(document.id, seen, file, number)
        except FormatError as error:
            on_error(error)
        else:
            yield document


def _parse(line: str, file: str, number: int) -> Document:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(file, number, None, f"expected one JSON object on the line, got {error}; fix it") from error
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise FormatError(file, number, None, 'expected an object with a "text" string; add it')
    identifier, text = str(record.get("id", number)), record["text"]
    try:
        title_end = None if record.get("title_end") is None else int(record["title_end"])
        version = None if record.get("version") is None else int(record["version"])
        entities = [
            Entity(
                start=int(entity["start"]),
                end=int(entity["end"]),
                type=str(entity["type"]),
                text=text[int(entity["start"]) : int(entity["end"])],
                score=float(entity.get("score", 1.0)),
                concept=str(entity.get("concept", "")),
                parts=str(entity.get("parts", "")),
            )
            for entity in record.get("entities", [])
        ]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        problem = f'expected numbers "start" and "end" and a "type" in every entity, got {error!r}; fix it'
        raise FormatError(file, number, identifier, problem) from error
    for entity in entities:
        if not 0 <= entity.start < entity.end <= len(text):
            problem = f"expected a span inside {len(text)} characters, got {entity.start}–{entity.end}; fix it"
            raise FormatError(file, number, identifier, problem)
    if title_end is not None and not (0 <= title_end <= len(text) and text[title_end : title_end + 1].strip() == ""):
        raise FormatError(
            file, number, identifier, f"expected a blank after the title, got title_end {title_end}; fix it"
        )
    return Document(identifier, text, tuple(sorted(entities)), title_end, version)


def write_jsonl(document: Document) -> str:
    """The document as one JSON line.

    Keys: id, text, title_end, entities with start, end, type, text, score; version, concept and parts where known.
    """
    record = asdict(document)
    if document.version is None:
        del record["version"]
    for entity in record["entities"]:
        for key in ("concept", "parts"):
            if not entity[key]:
                del entity[key]
    return json.dumps(record, ensure_ascii=False) + "\n"
