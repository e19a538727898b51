"""Plain text in UTF-8: one document per file, with the file's name as id, or one per line, with the line number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath

from engine.data.formats.base import Format
from engine.data.reading.checks import Item, Place, attempt, encoding_problem
from engine.data.reading.source import Source
from engine.text.documents import Document


def _read_file(source: Source) -> Iterator[Item]:
    raw = b"".join(source.lines())
    yield attempt(source.place(1), partial(_document, raw, PurePath(source.name).stem))


def _read_lines(source: Source) -> Iterator[Item]:
    for number, line in enumerate(source.lines(), start=1):
        if line.strip():
            yield attempt(source.place(number), partial(_document, line.rstrip(b"\r\n"), str(number)))


def _document(raw: bytes, identifier: str, place: Place) -> Document:
    begin = place.line
    place.identify("", identifier)
    try:
        text = raw.decode("utf-8-sig" if begin == 1 else "utf-8")
    except UnicodeDecodeError as error:
        place.line = begin + raw[: error.start].count(b"\n")
        raise place.error(encoding_problem(error)) from error
    return Document(str(place.document), text)


# Neither has a suffix of its own, because a .txt file may be in another format.
PLAIN = Format("plain text", (), lambda head: True, _read_file)
LINES = Format("text lines", (), lambda head: True, _read_lines)
