"""PubTator: ``ID|t|title``, ``ID|a|abstract``, tab-separated annotations; a blank line between documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.data.formats.common import OnError, claim, decoded, fail, flat
from engine.errors import FormatError
from engine.text.documents import Document, Entity

_PASSAGE = re.compile(r"^(.+?)\|([ta])\|(.*)$", re.DOTALL)
_NO_CONCEPT = "-1"


def read_pubtator(lines: Iterable[bytes], file: str = "<lines>", on_error: OnError = fail) -> Iterator[Document]:
    """Documents of PubTator lines.

    Text is title + one character + abstract. An annotation is a line whose second field is a number; relation
    lines are ignored. Composite mentions (``|`` between ids, a seventh field) are one entity.

    Args:
        lines: raw lines, split at ``\\n`` only.
        file: a name for messages.
        on_error: see `engine.data.formats.read_documents`.
    """
    seen: set[str] = set()
    block: list[tuple[int, bytes]] = []

    def finish() -> Iterator[Document]:
        if block:
            try:
                yield _parse_pubtator_block(block, file, seen)
            except FormatError as error:
                on_error(error)
            block.clear()

    for number, raw in enumerate(lines, start=1):
        if not raw.strip() or (block and _is_title(raw)):
            yield from finish()
        if raw.strip():
            block.append((number, raw))
    yield from finish()


def _is_title(raw: bytes) -> bool:
    passage = _PASSAGE.match(raw.decode("utf-8", "replace")) if b"|t|" in raw else None
    return passage is not None and passage[2] == "t"


def _parse_pubtator_block(block: list[tuple[int, bytes]], file: str, seen: set[str]) -> Document:
    number, raw = block[0]
    title_line = number
    guess = raw.split(b"|", 1)[0].decode("utf-8", "replace")[:80]
    passages: dict[str, str] = {}
    for kind, wanted in (("t", "a title line 'ID|t|TITLE'"), ("a", "an abstract line 'ID|a|ABSTRACT' after the title")):
        if not block:
            raise FormatError(file, number, guess, f"expected {wanted}, got the end of the document; add the line")
        number, raw = block.pop(0)
        line = decoded(raw, file, number, guess)
        match = _PASSAGE.match(line)
        if not match or match[2] != kind or (passages and match[1] != guess):
            raise FormatError(file, number, guess, f"expected {wanted}, got {line[:60]!r}; add or fix the line")
        guess, passages[kind] = match[1], match[3]
    identifier, text = guess, f"{passages['t']}\n{passages['a']}"
    claim(identifier, seen, file, title_line)
    entities = []
    for number, raw in block:
        fields = decoded(raw, file, number, identifier).split("\t")
        if len(fields) >= 4 and not any(field.lstrip("-")[:1].isdecimal() for field in fields[1:3]):
            continue  # a relation line
        entities.append(_parse_annotation(fields, text, identifier, file, number))
    return Document(identifier, text, tuple(sorted(entities)), title_end=len(passages["t"]))


def _parse_annotation(fields: list[str], text: str, identifier: str, file: str, number: int) -> Entity:
    def broken(problem: str) -> FormatError:
        return FormatError(file, number, identifier, problem)

    if not 5 <= len(fields) <= 7:
        raise broken(
            f"expected 5 to 7 tab-separated fields (id, start, end, mention, type, concept), got {len(fields)}; "
            "check the tabs"
        )
    if fields[0] != identifier:
        raise broken(
            f"expected an annotation of this document, got id {fields[0]!r}; separate documents by a blank line"
        )
    if not (fields[1].isdecimal() and fields[2].isdecimal()):
        raise broken(f"expected start and end as numbers, got {fields[1]!r} and {fields[2]!r}; fix the offsets")
    start, end, mention, type_ = int(fields[1]), int(fields[2]), fields[3], fields[4]
    if not 0 <= start < end <= len(text):
        raise broken(f"expected a span inside the text of {len(text)} characters, got {start}–{end}; fix the offsets")
    found = text[start:end].replace("\n", " ")
    if not found.strip():
        raise broken(f"expected a mention at {start}–{end}, got blanks; fix the offsets")
    # One NCBI-disease mention carries spaces that do not belong to it.
    if found not in (mention, mention.rstrip()):
        raise broken(
            f"expected {mention!r} at {start}–{end}, got {found!r} in the text; fix the offsets or the mention"
        )
    end = start + len(found.rstrip())
    concept, parts = (*fields[5:], "", "")[:2]
    return Entity(start, end, type_, text[start:end], concept="" if concept == _NO_CONCEPT else concept, parts=parts)


def write_pubtator(document: Document) -> str:
    """The document as PubTator lines with a blank line after them.

    The title ends at ``title_end``, else at the first line break, else with the text; the abstract may be empty.
    PubTator has no escapes: tabs and further line breaks become spaces, one for one, so that offsets stay valid.
    Scores are not written.
    """
    text = document.text
    title_end = text.find("\n") if document.title_end is None else document.title_end
    if title_end < 0:
        title_end = len(text)
    line = flat(text)
    identifier = flat(document.id)
    lines = [f"{identifier}|t|{line[:title_end]}", f"{identifier}|a|{line[title_end + 1 :]}"]
    for entity in document.entities:
        fields = [entity.type, entity.concept or _NO_CONCEPT, *([entity.parts] if entity.parts else [])]
        mention = line[entity.start : entity.end]
        lines.append("\t".join([identifier, str(entity.start), str(entity.end), mention, *map(flat, fields)]))
    return "\n".join(lines) + "\n\n"
