"""BioC XML: collections of documents of passages (or sentences) with annotations at character offsets.

Read with expat, which streams, knows line numbers, fetches nothing, and lets us refuse entity declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

from engine.data.formats.common import (
    MAX_VERSION,
    Ids,
    Item,
    attempt,
    finite_number,
    reader,
    too_much,
    whole_number,
    wrong_mention,
)
from engine.data.formats.xml import each_finished, expat_parser, parse
from engine.errors import FormatError, quoted
from engine.text.documents import Document, Entity

BIOC_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection>\n<source></source>\n<date></date>\n<key></key>\n"
)
BIOC_FOOT = "</collection>\n"

_CONCEPTS = ("identifier", "MESH", "OMIM")  # infons that hold a database id: PubTator's name, then BC5CDR's
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production Char
_PARENTS = {
    "document": ("",),
    "passage": ("document",),
    "sentence": ("passage",),
    "annotation": ("document", "passage", "sentence"),
    "relation": ("document", "passage", "sentence"),
}
_FIELDS = ("id", "offset", "text")


@dataclass(slots=True)
class Node:
    """A document, passage, sentence, annotation or relation as it is read; ``size``: of a document, in bytes."""

    kind: str
    line: int
    fields: dict[str, str] = field(default_factory=dict)  # id, offset, text
    infons: dict[str, str] = field(default_factory=dict)
    locations: list[tuple[str, str]] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    size: int = 0
    error: FormatError | None = None

    def of(self, kind: str) -> Iterator[Node]:
        """The nodes of a kind below this one, in order."""
        for child in self.children:
            if child.kind == kind:
                yield child
            yield from child.of(kind)


class _Builder:
    """Parser handlers that collect the nodes of finished documents in ``documents``."""

    def __init__(self, file: str) -> None:
        self.documents: list[Node] = []
        self.file = file
        self.open: list[Node] = []
        self.leaf = ""  # the field or infon being read
        self.infon = ""
        self.text: list[str] = []
        self.parser = expat_parser(self.error)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.SkippedEntityHandler = self._skipped
        self.root = ""

    def feed(self, chunk: bytes, last: bool) -> None:
        """Parses the next chunk.

        Raises:
            FormatError: not well-formed, not BioC, or an entity declaration.
        """
        parse(self.parser, chunk, last, self.error)

    def error(self, problem: str) -> FormatError:
        """An error at the current place."""
        inside = self.open[0].fields.get("id") if self.open else None
        return FormatError(self.file, self.parser.CurrentLineNumber, inside, problem)

    def _break(self, problem: str) -> None:
        """Marks the current document as broken."""
        if self.open and not self.open[0].error:
            self.open[0].error = self.error(problem)

    def _skipped(self, name: str, _: Any) -> None:
        self._break(f"expected characters, got the entity {quoted(name)}, whose meaning is not in the file; write them")

    def _characters(self, text: str) -> None:
        self.text.append(text)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.root:
            self.root = name
            if name != "collection":
                raise self.error(f"expected BioC, whose root is <collection>, got <{name[:60]}>; convert the file")
        if self.leaf:
            self._break(f"expected characters alone in <{self.leaf}>, got <{name[:60]}>; remove it")
        self.text.clear()
        if name == "infon" or name in _FIELDS:
            self.leaf, self.infon = name, attributes.get("key", "")
        elif name == "location" and self.open:
            self.open[-1].locations.append((attributes.get("offset", ""), attributes.get("length", "")))
        elif name == "document" or (self.open and name in _PARENTS):
            parent = self.open[-1].kind if self.open else ""
            if parent not in _PARENTS[name]:
                self._break(f"expected no <{name}> inside <{parent}>, got one; move it")
            node = Node(name, self.parser.CurrentLineNumber, size=-self.parser.CurrentByteIndex)
            if self.open and name != "relation":  # relations are left out with all their contents
                self.open[-1].children.append(node)
            self.open.append(node)

    def _end(self, name: str) -> None:
        if name == self.leaf:
            self.leaf = ""
        if self.open:
            node = self.open[-1]
            if name == node.kind:
                node.size += self.parser.CurrentByteIndex
                self.open.pop()
                if not self.open:
                    self.documents.append(node)
            elif name == "infon":
                node.infons[self.infon] = "".join(self.text)
            elif name in _FIELDS:
                if name in node.fields:
                    self._break(f"expected one <{name}> in <{node.kind}>, got two; remove one")
                node.fields[name] = "".join(self.text)
        self.text.clear()


@reader
def read_bioc(chunks: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    """Documents of a BioC XML collection, each as soon as its end is read.

    Passages are placed at their offsets (characters); gaps between them become a line break and blanks. ``title_end``
    is set if the first passage is a title and separated by a blank from the next. An annotation with several locations
    is one entity from the first to the last; single mentions of a composite one (``CompositeRole``) and relations are
    ignored. The infon ``version`` of a document is its version if it is a whole number. Nothing can be read after XML
    that is not well-formed.
    """
    builder = _Builder(file)
    for node in each_finished(chunks, builder.feed, builder.documents):
        yield attempt(partial(document_of, node, file), ids, file, node.line)


def document_of(node: Node, file: str) -> Document:
    """The document of a node.

    Raises:
        FormatError: it is broken.
    """
    if node.error:
        raise node.error
    identifier = node.fields.get("id", "").strip()
    if not identifier:
        raise FormatError(file, node.line, None, "expected a document with an <id>, got none; add it")
    parts: list[str] = []
    length, title_end = 0, None
    for number, passage in enumerate(node.of("passage")):
        sentences = [] if passage.fields.get("text") else [*passage.of("sentence")]
        for part in sentences or [passage] * ("text" in passage.fields):
            parts += _placed(length, part, node.size, file, identifier)
            length += sum(map(len, parts[-2:]))
        if number == 0 and "title" in (passage.infons.get(key, "").lower() for key in ("type", "section_type")):
            title_end = length
    text = "".join(parts)
    if title_end is not None and text[title_end : title_end + 1].strip():
        title_end = None  # a title is separated from what follows
    entities: list[Entity] = []
    mentioned = 0
    for annotation in node.of("annotation"):
        if annotation.infons.get("CompositeRole") != "IndividualMention":
            entities.append(_entity(annotation, text, file, identifier))
            mentioned += len(entities[-1].text)
            if problem := too_much(mentioned, node.size):
                raise FormatError(file, annotation.line, identifier, problem)
    version = whole_number(node.infons.get("version"))
    if version is not None and version > MAX_VERSION:
        version = None  # other programs may use this name for anything
    return Document(identifier, text, tuple(sorted(entities)), title_end, version)


def _number(value: str, node: Node, file: str, identifier: str) -> int:
    number = whole_number(value)
    if number is None:
        problem = f"expected a whole number as offset or length of the {node.kind}, got {quoted(value)}; fix it"
        raise FormatError(file, node.line, identifier, problem)
    return number


def _placed(length: int, node: Node, size: int, file: str, identifier: str) -> tuple[str, str]:
    """The gap before a passage or sentence, ``length`` characters into a document of ``size`` bytes, and its text."""
    offset, text = _number(node.fields.get("offset", ""), node, file, identifier), node.fields.get("text", "")
    if offset < length or too_much(offset + len(text), size):
        problem = f"expected an offset of {length} characters or a little more, got {offset}; fix it"
        raise FormatError(file, node.line, identifier, problem)
    return "\n".ljust(offset - length) if offset > length else "", text


def _entity(node: Node, text: str, file: str, identifier: str) -> Entity:
    def broken(problem: str) -> FormatError:
        return FormatError(file, node.line, identifier, problem)

    spans = [[_number(value, node, file, identifier) for value in location] for location in node.locations]
    if not spans or not node.infons.get("type"):
        raise broken("expected an annotation with a location and a type infon, got one without; add it")
    start, end = min(offset for offset, _ in spans), max(offset + length for offset, length in spans)
    if not start < end <= len(text):
        raise broken(f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the location")
    mention = node.fields.get("text")
    if len(spans) == 1 and mention is not None and (wrong := wrong_mention(mention, text, start, end)):
        raise broken(wrong)
    concept = next((node.infons[key] for key in _CONCEPTS if key in node.infons), "")
    score = finite_number(node.infons.get("score", 1))
    if score is None:
        raise broken(f"expected a finite number as score, got {quoted(node.infons['score'])}; fix it")
    return Entity(start, end, node.infons["type"], text[start:end], score, concept, node.infons.get("parts", ""))


def write_bioc(document: Document) -> str:
    """The document as a BioC ``<document>``; a file needs ``BIOC_HEAD`` before and ``BIOC_FOOT`` after its documents.

    Characters that XML cannot hold (most control characters) become U+FFFD, one for one, so offsets stay valid.
    """
    lines = ["<document>", f"<id>{_escaped(document.id)}</id>"]
    lines += [_infon(key, value) for key, value in infons_of_document(document).items()]
    for type_, offset, text, entities in passages(document):
        lines.append("<passage>")
        if type_:
            lines.append(_infon("type", type_))
        lines += [f"<offset>{offset}</offset>", f"<text>{_escaped(text)}</text>"]
        lines += [_annotation(index, entity) for index, entity in entities]
        lines.append("</passage>")
    return "\n".join([*lines, "</document>"]) + "\n"


def passages(document: Document) -> Iterator[tuple[str, int, str, list[tuple[int, Entity]]]]:
    """Type, offset, text and numbered entities of the document's title and abstract, or of the one untyped passage."""
    text, title_end = document.text, document.title_end
    parts = [("", 0, text)]
    if title_end is not None:
        # A line break after the title is the gap that readers put there; any other blank belongs to the abstract.
        begin = title_end + (text[title_end : title_end + 1] == "\n")
        parts = [("title", 0, text[:title_end])]
        if title_end < len(text):
            parts.append(("abstract", begin, text[begin:]))
    ends = [*(offset for _, offset, _ in parts[1:]), len(text) + 1]
    numbered = list(enumerate(document.entities))
    for (type_, offset, part), end in zip(parts, ends, strict=True):
        yield type_, offset, part, [(index, one) for index, one in numbered if offset <= one.start < end]


def infons_of_document(document: Document) -> dict[str, str]:
    """The infons of a document: its version, if it has one."""
    return {} if document.version is None else {"version": str(document.version)}


def infons_of(entity: Entity) -> dict[str, str]:
    """The infons of an entity's annotation; a score of 1, which gold has, is left out."""
    infons = {"type": entity.type, "identifier": entity.concept, "parts": entity.parts}
    if entity.score != 1:
        infons["score"] = repr(entity.score)
    return {key: value for key, value in infons.items() if value}


def _annotation(index: int, entity: Entity) -> str:
    return (
        f'<annotation id="{index}">'
        + "".join(_infon(key, value) for key, value in infons_of(entity).items())
        + f'<location offset="{entity.start}" length="{entity.end - entity.start}"/>'
        + f"<text>{_escaped(entity.text)}</text></annotation>"
    )


def _infon(key: str, value: str) -> str:
    return f'<infon key="{key}">{_escaped(value)}</infon>'


def _escaped(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})
