"""Plain text in UTF-8: one document per file, with the file's name as id, or one per line, with the line number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath

from engine.data.formats.base import Format
from engine.data.reading.checks import Item, Place, attempt
from engine.data.reading.source import Source
from engine.text.documents import Document


def _read(source: Source) -> Iterator[Item]:
    if source.lines_are_texts:
        for number, line in enumerate(source.lines(), start=1):
            if line.strip():
                yield attempt(source.place(number), partial(_document, line.rstrip(b"\r\n"), str(number)))
    else:
        yield attempt(source.place(1), partial(_document, b"".join(source.lines()), PurePath(source.name).stem))


def _document(raw: bytes, identifier: str, place: Place) -> Document:
    return Document(place.identify("", identifier), place.decode(raw))


# It has no suffix of its own, because a .txt file may be in another format.
PLAIN = Format("plain text", (), lambda head: True, _read)
