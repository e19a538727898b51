"""PubTator: ``ID|t|title``, ``ID|a|abstract``, tab-separated annotations; a blank line between documents.

The text is the title, one character and the abstract. Relation lines (id, name, two concepts) and concepts are skipped.
A composite mention (``|`` between concepts, a seventh field) is one entity. A written title ends at ``title_end``, or
else at the first line break, or else with the text. PubTator has no escapes: tabs and further line breaks become
spaces, so that offsets stay valid, and a mention of blanks alone is left out. What an id cannot hold is written like
``%7C``, and any version but the first follows a dot.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.errors import quoted
from engine.formats.base import Format, Source, escaped, most_lines_match, on_one_line, unescaped
from engine.formats.checks import Place
from engine.text.documents import Document, Entity

_PASSAGE = re.compile(r"([^\t\r\n]+?)\|([ta])\|(.*)", re.DOTALL)
_PASSAGE_START = re.compile(rb"(\xef\xbb\xbf)?[^\t\r\n]+?\|([ta])\|")
_RELATION = re.compile(r"[A-Za-z][A-Za-z_-]+")
_RELATION_END = re.compile(r"Novel|No|[\d.]+")  # what may follow the two concepts: BioRED's novelty, or a score
_NOT_IN_ID = re.compile(r"[\t\r\n]|\|(?=[ta](\||$))|^\ufeff")  # an id is followed by a bar, and may begin a file
_NO_CONCEPT = "-1"
_SNIFFED_LINE = re.compile(rb"(\S+|\S[^\t|]*\S)\|[ta]\||\S[^\t]*\t\d+\t\d+\t")
# Relation lines do not count as evidence of PubTator, because lines of tables look the same.
_SNIFFED_RELATION = re.compile(rb"\S[^\t]*\t[A-Za-z][A-Za-z_-]+\t[^\t]*\t")


def _records(source: Source) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    return ((block[0][0], block) for block in source.blocks(_begins_document))


def _begins_document(line: bytes) -> bool:
    passage = _PASSAGE_START.match(line)
    return not line.strip() or (passage is not None and passage[2] == b"t")


def _document(block: list[tuple[int, bytes]], place: Place) -> Document:
    lines = iter(block)
    place.document = block[0][1].split(b"|", 1)[0].decode("utf-8", "replace")
    passages: dict[str, str] = {}
    for kind, wanted in (("t", "a title line 'ID|t|TITLE'"), ("a", "an abstract line 'ID|a|ABSTRACT' after the title")):
        place.line, raw = next(lines, (place.line, None))
        if raw is None:
            raise place.error(f"The document ends before {wanted}.")
        line = place.decode(raw).rstrip("\r\n")
        match = _PASSAGE.match(line)
        if not match or match[2] != kind or (passages and match[1] != place.document):
            raise place.error(f"{quoted(line)} stands where {wanted} must stand.")
        place.document, passages[kind] = match[1], match[3]
    identifier, text = place.document, f"{passages['t']}\n{passages['a']}"
    entities = place.entities(_annotations(lines, place), lambda fields: _entity(fields, text, place))
    identifier = unescaped(identifier, _NOT_IN_ID)
    return Document(identifier, text, entities, title_end=len(passages["t"]))


def _annotations(lines: Iterable[tuple[int, bytes]], place: Place) -> Iterator[list[str]]:
    for place.line, raw in lines:
        fields = place.decode(raw).rstrip("\r\n").split("\t")
        if not _is_relation(fields):
            yield fields


def _is_relation(fields: list[str]) -> bool:
    end = fields[4:]
    named = len(fields) >= 4 and _RELATION.fullmatch(fields[1]) is not None
    return named and (not end or (len(end) == 1 and _RELATION_END.fullmatch(end[0]) is not None))


def _entity(fields: list[str], text: str, place: Place) -> Entity:
    if not 5 <= len(fields) <= 7:
        wanted = "5 to 7 tab-separated fields (id, start, end, mention, type, concept)"
        raise place.error(f"An annotation has {wanted}, not {len(fields)}.")
    if fields[0] != place.document:
        raise place.error(f"The annotation belongs to {quoted(fields[0])}. Separate documents by a blank line.")
    _, start, end, mention, type_, *_ = fields
    entity = place.entity(text, start, end, type_, mention=mention)
    stripped = entity.text.rstrip()  # one NCBI-disease mention carries spaces that do not belong to it
    if not stripped:
        raise place.error(f"The mention at {start}–{end} is blank. Fix the offsets.")
    return replace(entity, end=entity.start + len(stripped), text=stripped)


def _write_document(document: Document) -> str:
    text = document.text
    title_end = len(text.partition("\n")[0]) if document.title_end is None else document.title_end
    line = on_one_line(text)
    identifier = escaped(document.versioned_id, _NOT_IN_ID)
    lines = [f"{identifier}|t|{line[:title_end]}", f"{identifier}|a|{line[title_end + 1 :]}"]
    for entity in document.entities:
        mention, type_ = line[entity.start : entity.end], on_one_line(entity.type)
        if mention.strip():
            lines.append("\t".join([identifier, str(entity.start), str(entity.end), mention, type_, _NO_CONCEPT]))
    return "\n".join(lines) + "\n\n"


PUBTATOR = Format(
    "pubtator",
    (".pubtator",),
    lambda head: most_lines_match(_SNIFFED_LINE, head, but=_SNIFFED_RELATION),
    _records,
    _document,
    _write_document,
)
