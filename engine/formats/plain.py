"""Plain text in UTF-8: one document per file, or one per line."""

from collections.abc import Iterator

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document


def _records(source: Source) -> Iterator[tuple[int, tuple[int | None, bytes]]]:
    if source.lines_are_texts:
        for number, line in enumerate(source.lines(), start=1):
            if line.strip():
                yield number, (number, line.rstrip(b"\r\n"))
    else:
        yield 1, (None, b"".join(source.lines()))


def _document(numbered: tuple[int | None, bytes], place: Place) -> Document:
    number, raw = numbered
    return Document(place.identify("", number), place.decode(raw))


# It has no suffix of its own, because a .txt file may be in another format.
PLAIN = Format("plain text", (), lambda head: True, _records, _document)
