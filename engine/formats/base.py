"""The base of a file format, and helpers that several formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.errors import InputError
from engine.formats.checks import Place
from engine.formats.source import Source
from engine.text.documents import Document


def not_written(documents: Iterable[Document]) -> Iterator[str]:
    """The ``write`` of a read-only format."""
    raise InputError("expected a format that can be written, got one that is only read; choose another")


@dataclass(frozen=True)
class Format:
    """A file format.

    ``suffixes``: file name suffixes in lower case; written files get the first one.
    ``sniff``: says whether a file has the format, from its first lines without byte order mark and leading blanks.
    ``records``: yields the line and content of each document; raising ends the file.
    ``document``: makes a document from such a content, or raises a `FormatError` of its place.
    ``write``: yields the parts of a file: its head, one part per document, and its foot.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    records: Callable[[Source], Iterator[tuple[int, Any]]]
    document: Callable[[Any, Place], Document]
    write: Callable[[Iterable[Document]], Iterator[str]] = not_written

    @property
    def suffix(self) -> str:
        """The suffix of written files."""
        return self.suffixes[0]


def writer(
    document: Callable[[Document], str], head: str = "", foot: str = "", between: str = ""
) -> Callable[[Iterable[Document]], Iterator[str]]:
    """Makes a `Format`'s ``write`` from a function that writes one document, and the text around and between them."""

    def write(documents: Iterable[Document]) -> Iterator[str]:
        yield head
        for number, content in enumerate(map(document, documents)):
            yield (between if number else "") + content
        yield foot

    return write


def most_lines_match(pattern: re.Pattern[bytes], head: bytes, *, but: re.Pattern[bytes] | None = None) -> bool:
    """Whether a pattern matches at the start of more than half of the lines, not counting blank lines and ``but``."""
    lines = [line for line in head.split(b"\n") if line.strip() and not (but and but.match(line))]
    return 2 * sum(pattern.match(line) is not None for line in lines) > len(lines)


def on_one_line(text: str) -> str:
    """Replaces each tab and line break with one space, so that offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)
