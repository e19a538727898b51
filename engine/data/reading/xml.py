"""Reads XML record by record, with the same kind of errors as other formats.

It uses expat, which streams, knows line numbers, fetches nothing, and has no depth limit that would end a file because
of one record. Entity declarations are refused, because entities can expand without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from engine.data.reading.checks import Place
from engine.data.reading.source import Source
from engine.errors import FormatError, first_line, quoted

MAX_RECORD = 50_000_000  # bytes; PubMed's longest records, with thousands of authors, have a few million
# No element or attribute of a file can have these names.
_ENTITY = "&"  # element that stands for an entity without a definition in the file
_LINE = "#"  # attribute with the line of an element


class _Builder:
    """Handlers of an expat parser. They collect complete records, each with its size in bytes, in ``finished``."""

    def __init__(self, source: Source, root: str, is_record: Callable[[str], bool]) -> None:
        self.source, self.root, self.is_record = source, root, is_record
        self.finished: list[tuple[Element, int]] = []
        self.depth = self.begin = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._on_root
        self.parser.EndElementHandler = self._on_end
        self.parser.CharacterDataHandler = self._on_text
        self.parser.SkippedEntityHandler = self._on_skipped_entity
        self.parser.EntityDeclHandler = self._on_entity_declaration

    def error(self, problem: str) -> FormatError:
        """Returns an error that names the parser's line."""
        return self.source.place(self.parser.CurrentLineNumber).error(problem)

    def _on_root(self, name: str, _: dict[str, str]) -> None:
        if name != self.root:
            raise self.error(f"expected the root <{self.root}>, got <{name[:60]}>; convert the file")
        self.parser.StartElementHandler = self._on_start

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        if self.depth or self.is_record(name):
            if not self.depth:
                self.tree, self.begin = TreeBuilder(), self.parser.CurrentByteIndex
            self.depth += 1
            self.tree.start(name, attributes | {_LINE: str(self.parser.CurrentLineNumber)})

    def _on_end(self, name: str) -> None:
        if self.depth:
            element = self.tree.end(name)
            self.depth -= 1
            if not self.depth:
                self.finished.append((element, self.parser.CurrentByteIndex - self.begin))

    def _on_text(self, text: str) -> None:
        if self.depth:
            self.tree.data(text)

    def _on_skipped_entity(self, name: str, _: bool) -> None:
        if self.depth:
            self._on_start(_ENTITY, {"name": name})
            self._on_end(_ENTITY)

    def _on_entity_declaration(self, *_: Any) -> None:
        raise self.error("expected no entity declarations, got one; remove it")


def records(source: Source, root: str, is_record: Callable[[str], bool]) -> Iterator[tuple[Element, int]]:
    """Yields each record of an XML file and its size in bytes, as soon as the record is complete.

    A record is an element, outside other records, whose name ``is_record`` accepts. Raises a `FormatError` if nothing
    more can be read, after the complete records before this place.
    """
    builder = _Builder(source, root, is_record)
    error: FormatError | None = None
    for chunk in chain(source.chunks(), [b""]):  # an empty one ends the file
        try:
            builder.parser.Parse(chunk, not chunk)
        except FormatError as found:
            error = found
        except expat.ExpatError as found:
            problem = expat.ErrorString(found.code)
            error = builder.error(f"expected well-formed XML, got {problem}; fix the file or fetch it again")
        except (LookupError, ValueError) as found:  # from Python's codecs, for encodings that expat does not know
            error = builder.error(f"expected an encoding that can be read, got {first_line(found)}; save it as UTF-8")
        if builder.depth and builder.parser.CurrentByteIndex - builder.begin > MAX_RECORD:
            error = builder.error(f"expected a record of at most {MAX_RECORD:,} bytes, got a longer one; fix the file")
        yield from builder.finished
        builder.finished.clear()
        if error:
            raise error


def line_of(element: Element) -> int:
    """Returns the line on which an element of a record begins."""
    return int(element.attrib[_LINE])


def check_entities(record: Element, place: Place) -> None:
    """Raises a `FormatError` if a record contains an entity that the file does not define."""
    if (unknown := next(record.iter(_ENTITY), None)) is not None:
        place.line = line_of(unknown)
        name = quoted(unknown.get("name", ""))
        raise place.error(f"expected characters, got the entity {name}, whose meaning is not in the file; write them")
