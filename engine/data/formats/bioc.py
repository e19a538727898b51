"""BioC XML: collections of documents of passages (or sentences) with annotations at character offsets.

Read with expat, which streams, knows line numbers, fetches nothing, and lets us refuse entity declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from engine.data.formats.common import OnError, claim, fail
from engine.errors import FormatError
from engine.text.documents import Document, Entity

BIOC_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection>\n<source></source>\n<date></date>\n<key></key>\n"
)
BIOC_FOOT = "</collection>\n"

MAX_GAP = 1_000_000  # characters between two passages; more is a broken offset
_CONCEPTS = ("identifier", "MESH", "OMIM")  # infons that hold a database id: PubTator's name, then BC5CDR's
_BLANK = re.compile(r"\s")
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production Char


@dataclass
class Node:
    """A document, passage, sentence or annotation as it is read."""

    kind: str
    line: int
    fields: dict[str, str] = field(default_factory=dict)  # id, offset, text
    infons: dict[str, str] = field(default_factory=dict)
    locations: list[tuple[str, str]] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[Node]:
        """The nodes of a kind below this one, in order."""
        for child in self.children:
            if child.kind == kind:
                yield child
            yield from child.of(kind)


class _Builder:
    """Handlers of the parser: collects the nodes of finished documents in ``documents``."""

    def __init__(self, file: str) -> None:
        self.documents: list[Node] = []
        self.file = file
        self.open: list[Node] = []
        self.infon = ""
        self.text: list[str] = []
        self.parser: Any = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity
        self.root = ""

    def _entity(self, *_: Any) -> None:
        problem = "expected no entity declarations, got one; remove it"  # they can expand without bound
        raise FormatError(self.file, self.parser.CurrentLineNumber, None, problem)

    def _characters(self, text: str) -> None:
        self.text.append(text)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.text.clear()
        if not self.root:
            self.root = name
            if name != "collection":
                problem = f"expected BioC, whose root is <collection>, got <{name}>; convert the file"
                raise FormatError(self.file, self.parser.CurrentLineNumber, None, problem)
        if name == "document" or (self.open and name in ("passage", "sentence", "annotation")):
            node = Node(name, self.parser.CurrentLineNumber)
            if self.open:
                self.open[-1].children.append(node)
            self.open.append(node)
        elif name == "infon":
            self.infon = attributes.get("key", "")
        elif name == "location" and self.open:
            self.open[-1].locations.append((attributes.get("offset", ""), attributes.get("length", "")))
        elif name == "relation" and self.open:
            self.open.append(Node(name, self.parser.CurrentLineNumber))  # skipped with its infons

    def _end(self, name: str) -> None:
        if not self.open:
            return
        node = self.open[-1]
        if name == node.kind:
            self.open.pop()
            if not self.open:
                self.documents.append(node)
        elif name == "infon":
            node.infons[self.infon] = "".join(self.text)
        elif name in ("id", "offset", "text"):
            node.fields[name] = "".join(self.text)
        self.text.clear()


def read_bioc(chunks: Iterable[bytes], file: str = "<chunks>", on_error: OnError = fail) -> Iterator[Document]:
    """Documents of a BioC XML collection.

    Passages stand at their offsets (characters), gaps between them become a line break and blanks. ``title_end`` is
    set where the first passage is a title and separated by a blank from the next. An annotation with several locations
    is one entity from the first to the last; single mentions of a composite one (``CompositeRole``) and relations are
    ignored.

    Args:
        chunks: the file in pieces of any size; a document is yielded as soon as its end is read.
        file: a name for messages.
        on_error: see `engine.data.formats.read_documents`. Nothing can be read after XML that is not well-formed.
    """
    builder = _Builder(file)
    seen: set[str] = set()

    def finished() -> Iterator[Document]:
        nodes, builder.documents = builder.documents, []
        for node in nodes:
            try:
                yield document_of(node, file, seen)
            except FormatError as error:
                on_error(error)

    for chunk, last in chain(zip(chunks, repeat(False)), [(b"", True)]):
        problem: FormatError | None = None
        try:
            builder.parser.Parse(chunk, last)
        except FormatError as error:
            problem = error
        except expat.ExpatError as error:
            inside = builder.open[0].fields.get("id") if builder.open else None
            message = f"expected well-formed XML, got {expat.ErrorString(error.code)}; fix the file"
            problem = FormatError(file, error.lineno, inside, message)
        yield from finished()
        if problem:
            on_error(problem)
            return


def document_of(node: Node, file: str, seen: set[str]) -> Document:
    """The document of a node.

    Raises:
        FormatError: its id, offsets or annotations are broken, or its id is in ``seen``, where it goes.
    """
    identifier = node.fields.get("id", "")
    if not identifier:
        raise FormatError(file, node.line, None, "expected a document with an <id>, got none; add it")
    text, title_end = "", None
    for number, passage in enumerate(node.of("passage")):
        for part in [passage] if "text" in passage.fields else passage.of("sentence"):
            text = _placed(text, part, file, identifier)
        if number == 0 and "title" in (passage.infons.get(key, "").lower() for key in ("type", "section_type")):
            title_end = len(text)
    if title_end is not None and text[title_end : title_end + 1].strip():
        title_end = None  # a title is separated from what follows
    entities = [_entity(one, text, file, identifier) for one in node.of("annotation") if _counts(one)]
    claim(identifier, seen, file, node.line)
    return Document(identifier, text, tuple(sorted(entities)), title_end)


def _number(value: str, node: Node, file: str, identifier: str) -> int:
    if not value.strip().isdecimal():
        problem = f"expected a whole number as offset or length of the {node.kind}, got {value!r}; fix it"
        raise FormatError(file, node.line, identifier, problem)
    return int(value)


def _placed(text: str, node: Node, file: str, identifier: str) -> str:
    offset = _number(node.fields.get("offset", ""), node, file, identifier)
    gap = offset - len(text)
    if not 0 <= gap <= MAX_GAP:
        problem = f"expected an offset of {len(text)} characters or a little more, got {offset}; fix it"
        raise FormatError(file, node.line, identifier, problem)
    return text + "\n"[:gap] + " " * (gap - 1) + node.fields.get("text", "")


def _counts(annotation: Node) -> bool:
    return annotation.infons.get("CompositeRole") != "IndividualMention"


def _entity(node: Node, text: str, file: str, identifier: str) -> Entity:
    spans = [[_number(value, node, file, identifier) for value in location] for location in node.locations]
    if not spans or "type" not in node.infons:
        problem = "expected an annotation with a location and a type infon, got one without; add it"
        raise FormatError(file, node.line, identifier, problem)
    start, end = min(offset for offset, _ in spans), max(offset + length for offset, length in spans)
    if not start < end <= len(text):
        problem = f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the location"
        raise FormatError(file, node.line, identifier, problem)
    found, mention = text[start:end], node.fields.get("text")
    if len(spans) == 1 and mention is not None and _BLANK.sub(" ", mention) != _BLANK.sub(" ", found):
        problem = f"expected {mention!r} at {start}–{end}, got {found!r} in the text; fix the location or the text"
        raise FormatError(file, node.line, identifier, problem)
    concept = next((node.infons[key] for key in _CONCEPTS if key in node.infons), "")
    try:
        score = float(node.infons.get("score", 1))
    except ValueError as error:
        problem = f"expected a number as score, got {node.infons['score']!r}; fix it"
        raise FormatError(file, node.line, identifier, problem) from error
    return Entity(start, end, node.infons["type"], found, score, concept, node.infons.get("parts", ""))


def write_bioc(document: Document) -> str:
    """The document as a BioC ``<document>``; a file needs ``BIOC_HEAD`` before and ``BIOC_FOOT`` after its documents.

    Characters that XML cannot hold (most control characters) become U+FFFD, one for one, so that offsets stay valid.
    """
    lines = ["<document>", f"<id>{_escaped(document.id)}</id>"]
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


def _annotation(index: int, entity: Entity) -> str:
    infons = {"type": entity.type, "identifier": entity.concept, "parts": entity.parts}
    if entity.score != 1:
        infons["score"] = repr(entity.score)
    return (
        f'<annotation id="{index}">'
        + "".join(_infon(key, value) for key, value in infons.items() if value)
        + f'<location offset="{entity.start}" length="{entity.end - entity.start}"/>'
        + f"<text>{_escaped(entity.text)}</text></annotation>"
    )


def _infon(key: str, value: str) -> str:
    return f'<infon key="{key}">{_escaped(value)}</infon>'


def _escaped(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})
