"""PubTator: ``ID|t|title``, ``ID|a|abstract``, tab-separated annotations; a blank line between documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

from engine.data.formats.common import Ids, Item, attempt, decoded, flat, reader, whole_number, wrong_mention
from engine.errors import FormatError, quoted
from engine.text.documents import Document, Entity

_PASSAGE = re.compile(r"([^\t\r\n]+?)\|([ta])\|(.*)", re.DOTALL)
_TITLE = re.compile(rb"(\xef\xbb\xbf)?[^\t\r\n]+?\|([ta])\|")
_RELATION = re.compile(r"[A-Za-z][A-Za-z_-]+")
_RELATION_END = re.compile(r"Novel|No|[\d.]+")  # what may follow the two concepts: BioRED's novelty, or a score
_PASSAGE_MARK = re.compile(r"\|[ta](\||$)")  # an id is followed by a bar
_NO_CONCEPT = "-1"


@reader
def read_pubtator(lines: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    """Documents of PubTator lines.

    Text is title + one character + abstract. Relation lines (id, name, two concepts) are skipped. Composite
    mentions (``|`` between ids, a seventh field) are one entity.
    """
    block: list[tuple[int, bytes]] = []

    def finish() -> Iterator[Item]:
        if block:
            yield attempt(partial(_document, list(block), file), ids, file, block[0][0])
            block.clear()

    for number, raw in enumerate(lines, start=1):
        if not raw.strip() or (block and _is_title(raw)):
            yield from finish()
        if raw.strip():
            block.append((number, raw))
    yield from finish()


def _is_title(raw: bytes) -> bool:
    start = _TITLE.match(raw)
    return start is not None and start[2] == b"t"


def _document(block: list[tuple[int, bytes]], file: str) -> Document:
    number, raw = block[0]
    guess = raw.split(b"|", 1)[0].decode("utf-8", "replace")
    passages: dict[str, str] = {}
    for kind, wanted in (("t", "a title line 'ID|t|TITLE'"), ("a", "an abstract line 'ID|a|ABSTRACT' after the title")):
        if not block:
            raise FormatError(file, number, guess, f"expected {wanted}, got the end of the document; add the line")
        number, raw = block.pop(0)
        line = decoded(raw, file, number, guess)
        match = _PASSAGE.match(line)
        if not match or match[2] != kind or (passages and match[1] != guess):
            raise FormatError(file, number, guess, f"expected {wanted}, got {quoted(line)}; add or fix the line")
        guess, passages[kind] = match[1], match[3]
    identifier, text = guess, f"{passages['t']}\n{passages['a']}"
    entities = []
    for number, raw in block:
        fields = decoded(raw, file, number, identifier).split("\t")
        if not _is_relation(fields):
            entities.append(_entity(fields, text, identifier, file, number))
    return Document(identifier, text, tuple(sorted(entities)), title_end=len(passages["t"]))


def _is_relation(fields: list[str]) -> bool:
    end = fields[4:]
    named = len(fields) >= 4 and _RELATION.fullmatch(fields[1]) is not None
    return named and (not end or (len(end) == 1 and _RELATION_END.fullmatch(end[0]) is not None))


def _entity(fields: list[str], text: str, identifier: str, file: str, number: int) -> Entity:
    def broken(problem: str) -> FormatError:
        return FormatError(file, number, identifier, problem)

    if not 5 <= len(fields) <= 7:
        raise broken(
            f"expected 5 to 7 tab-separated fields (id, start, end, mention, type, concept), got {len(fields)}; "
            "check the tabs"
        )
    if fields[0] != identifier:
        raise broken(
            f"expected an annotation of this document, got id {quoted(fields[0])}; separate documents by a blank line"
        )
    start, end, mention, type_ = whole_number(fields[1]), whole_number(fields[2]), fields[3], fields[4]
    if start is None or end is None:
        raise broken(
            f"expected start and end as numbers, got {quoted(fields[1])} and {quoted(fields[2])}; fix the offsets"
        )
    if not type_:
        raise broken("expected a type after the mention, got none; add it")
    if not start < end <= len(text):
        raise broken(f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the offsets")
    found = text[start:end]
    if not found.strip():
        raise broken(f"expected a mention at {start}–{end}, got blanks; fix the offsets")
    # One NCBI-disease mention carries spaces that do not belong to it.
    if (wrong := wrong_mention(mention, text, start, end)) and wrong_mention(mention.rstrip(), text, start, end):
        raise broken(wrong)
    found = found.rstrip()
    concept, parts = (*fields[5:], "", "")[:2]
    return Entity(
        start, start + len(found), type_, found, concept="" if concept == _NO_CONCEPT else concept, parts=parts
    )


def write_pubtator(document: Document) -> str:
    """The document as PubTator lines with a blank line after them.

    The title ends at ``title_end``, else at the first line break, else with the text; the abstract may be empty.
    PubTator has no escapes: tabs and further line breaks become spaces, one for one, so offsets stay valid, and
    ``|t|`` or ``|a|`` in an id, and ``|t`` or ``|a`` at its end, become ``_``. Scores are not written.
    """
    text = document.text
    title_end = text.find("\n") if document.title_end is None else document.title_end
    if title_end < 0:
        title_end = len(text)
    line = flat(text)
    identifier = _PASSAGE_MARK.sub("_", flat(document.id))
    lines = [f"{identifier}|t|{line[:title_end]}", f"{identifier}|a|{line[title_end + 1 :]}"]
    for entity in document.entities:
        fields = [entity.type, entity.concept or _NO_CONCEPT, *([entity.parts] if entity.parts else [])]
        mention = line[entity.start : entity.end]
        lines.append("\t".join([identifier, str(entity.start), str(entity.end), mention, *map(flat, fields)]))
    return "\n".join(lines) + "\n\n"
