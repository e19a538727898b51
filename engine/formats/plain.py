"""Plain text in UTF-8: one document per file, with the file's name as id, or one per line, with the line number."""

from collections.abc import Iterator
from pathlib import PurePath

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document


def _records(source: Source) -> Iterator[tuple[int, tuple[str, bytes]]]:
    if source.lines_are_texts:
        for number, line in enumerate(source.lines(), start=1):
            if line.strip():
                yield number, (str(number), line.rstrip(b"\r\n"))
    else:
        yield 1, (PurePath(source.name).stem, b"".join(source.lines()))


def _document(named: tuple[str, bytes], place: Place) -> Document:
    return Document(place.identify("", named[0]), place.decode(named[1]))


# It has no suffix of its own, because a .txt file may be in another format.
PLAIN = Format("plain text", (), lambda head: True, _records, _document)
