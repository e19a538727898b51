"""Reads XML record by record, with errors like other formats'.

Uses expat, which streams, knows line numbers, fetches nothing, and has no limit of depth that would end a file because
of one record. Entity declarations are refused, since they can expand without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from engine.data.reading.checks import Place
from engine.data.reading.source import Source
from engine.errors import first_line, quoted

MAX_RECORD = 50_000_000  # bytes; the longest records of PubMed, with thousands of authors, have a few million
# No element or attribute of a file can have these names.
_ENTITY = "&"  # stands in a record for an entity whose meaning is not in the file
_LINE = "#"


class _Builder:
    """Handlers of an expat parser that collect finished records, each with its size in bytes, in ``finished``."""

    def __init__(self, root: str, starts: Callable[[str], bool]) -> None:
        self.root, self.starts = root, starts
        self.finished: list[tuple[Element, int]] = []
        self.seen_root = False
        self.depth = self.begin = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.SkippedEntityHandler = self._skipped
        self.parser.EntityDeclHandler = self._declared

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.seen_root:
            self.seen_root = True
            if name != self.root:
                raise _BadFileError(f"expected the root <{self.root}>, got <{name[:60]}>; convert the file")
        elif self.depth or self.starts(name):
            if not self.depth:
                self.tree, self.begin = TreeBuilder(), self.parser.CurrentByteIndex
            self.depth += 1
            self.tree.start(name, attributes | {_LINE: str(self.parser.CurrentLineNumber)})

    def _end(self, name: str) -> None:
        if self.depth:
            element = self.tree.end(name)
            self.depth -= 1
            if not self.depth:
                self.finished.append((element, self.parser.CurrentByteIndex - self.begin))

    def _data(self, text: str) -> None:
        if self.depth:
            self.tree.data(text)

    def _skipped(self, name: str, _: bool) -> None:
        if self.depth:
            self._start(_ENTITY, {"name": name})
            self._end(_ENTITY)

    def _declared(self, *_: Any) -> None:
        raise _BadFileError("expected no entity declarations, got one; remove it")


class _BadFileError(Exception):
    """What is wrong with a file at the parser's place."""


def records(source: Source, root: str, starts: Callable[[str], bool]) -> Iterator[tuple[Element, int]]:
    """The records of an XML file, each with its size in bytes as soon as its end is read.

    Args:
        source: the file.
        root: the name of its root element.
        starts: whether an element of this name, outside other records, is one.

    Raises:
        FormatError: nothing can be read after this place; the records before it come first.
    """
    builder = _Builder(root, starts)
    parser = builder.parser
    for piece, last in chain(zip(source.pieces(), repeat(False)), [(b"", True)]):
        problem = ""
        try:
            parser.Parse(piece, last)
        except expat.ExpatError as error:
            problem = f"expected well-formed XML, got {expat.ErrorString(error.code)}; fix the file or fetch it again"
        except _BadFileError as error:
            problem = str(error)
        except (LookupError, ValueError) as error:  # from Python's handler for encodings that expat does not know
            problem = f"expected an encoding that can be read, got {first_line(error)}; save the file as UTF-8"
        if builder.depth and parser.CurrentByteIndex - builder.begin > MAX_RECORD:
            problem = f"expected a record of at most {MAX_RECORD:,} bytes, got a longer one; fix the file"
        yield from builder.finished
        builder.finished.clear()
        if problem:
            raise source.place(parser.CurrentLineNumber).error(problem)


def line_of(element: Element) -> int:
    """The line of the file in which an element of a record begins."""
    return int(element.get(_LINE, "0"))


def check_entities(record: Element, place: Place) -> None:
    """Refuses entities whose meaning is not in the file.

    Raises:
        FormatError: there is one in the record.
    """
    if (unknown := next(record.iter(_ENTITY), None)) is not None:
        place.line = line_of(unknown)
        name = quoted(unknown.get("name", ""))
        raise place.error(f"expected characters, got the entity {name}, whose meaning is not in the file; write them")
