"""Plain text, UTF-8: one document, whose id is the file's name, or one per line, whose id is the line's number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath

from engine.data.formats.base import Format
from engine.data.reading.checks import Item, Place, attempt, encoding_problem
from engine.data.reading.source import Source
from engine.text.documents import Document


def _read(source: Source) -> Iterator[Item]:
    raw = b"".join(source.pieces())
    yield attempt(source.place(1), partial(_document, raw))


def _document(raw: bytes, place: Place) -> Document:
    place.identify("", PurePath(place.file).stem)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place.line = raw[: error.start].count(b"\n") + 1
        raise place.error(encoding_problem(error)) from error
    return _checked(text, place)


def _read_lines(source: Source) -> Iterator[Item]:
    for number, line in enumerate(source.lines(), start=1):
        if line.strip():
            yield attempt(source.place(number), partial(_line, line))


def _line(raw: bytes, place: Place) -> Document:
    return _checked(place.decoded(raw), place)


def _checked(text: str, place: Place) -> Document:
    if (at := text.find("\0")) >= 0:
        place.line += text[:at].count("\n")
        raise place.error("expected text, got a NUL byte, as archives and other binary files have; convert the file")
    return Document(place.document or place.identify(""), text)


# Neither has a suffix of its own: the content of a .txt file may show another format.
PLAIN = Format("plain text", (), lambda head: True, _read)
LINES = Format("text lines", (), lambda head: True, _read_lines)
