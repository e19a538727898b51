"""What a file format is, and what several of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from engine.data.reading.checks import Item
from engine.data.reading.source import Source
from engine.errors import InputError
from engine.text.documents import Document


def not_written(documents: Iterable[Document]) -> Iterator[str]:
    """The ``write`` of a format that is only read."""
    raise InputError("expected a format that can be written, got one that is only read; choose another")


@dataclass(frozen=True)
class Format:
    """A file format.

    ``suffixes``: of file names, in lower case; written files get the first one.
    ``sniff``: whether a file that begins like this, without byte order mark and leading blanks, has the format.
    ``read``: yields the documents of a file and errors in place of broken ones; what it raises ends the file.
    ``write``: yields a file of documents in pieces: what comes before them, one piece for each, what comes after.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[Source], Iterator[Item]]
    write: Callable[[Iterable[Document]], Iterator[str]] = not_written

    @property
    def suffix(self) -> str:
        """The suffix of written files."""
        return self.suffixes[0]


def writer(
    document: Callable[[Document], str], head: str = "", foot: str = "", between: str = ""
) -> Callable[[Iterable[Document]], Iterator[str]]:
    """The ``write`` of a `Format`, from how one document is written and what comes before, after and between them."""

    def write(documents: Iterable[Document]) -> Iterator[str]:
        yield head
        for number, one in enumerate(documents):
            yield (between if number else "") + document(one)
        yield foot

    return write


def mostly(pattern: re.Pattern[bytes], head: bytes, *, but: re.Pattern[bytes] | None = None) -> bool:
    """Whether a pattern matches the beginning of more than half of the lines, not counting blank ones and ``but``."""
    lines = [line for line in head.split(b"\n") if line.strip() and not (but and but.match(line))]
    return 2 * sum(pattern.match(line) is not None for line in lines) > len(lines)


def flat(text: str) -> str:
    """The text on one line without tabs: each tab and line break becomes a space, so offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)
