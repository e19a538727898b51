"""CoNLL: ``token<TAB>tag`` with IOB2 tags, a blank line between sentences, ``-DOCSTART-`` before each document.

`write_conll` puts what does not fit in two columns (id, text, title) after ``-DOCSTART-`` as JSON, on a line that other
readers of the format skip; `read_conll` reads it back, so offsets survive.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from engine.data.formats.common import (
    Ids,
    Item,
    attempt,
    decoded,
    flat,
    located,
    reader,
    whole_number,
    wrong_title_end,
)
from engine.errors import FormatError, quoted
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.words import Span, split_words

_START = "-DOCSTART-"
_TAG = re.compile(r"O|[BI]-.+")
_BLANKS = re.compile(r"\s*")


def check_tag(tag: str) -> str | None:
    """What is wrong with an IOB2 tag, if anything."""
    return (
        None
        if _TAG.fullmatch(tag)
        else f"expected a tag O, B-TYPE or I-TYPE, got {quoted(tag)}; convert the tags to IOB2"
    )


def place_tokens(sentences: Iterable[Sequence[str]]) -> tuple[str, list[Span]]:
    """The text of the tokens, joined by spaces, sentences by line breaks, and the span of each token in it."""
    parts: list[str] = []
    spans: list[Span] = []
    end = -1
    for sentence in sentences:
        for index, token in enumerate(sentence):
            parts += [" " if index else "\n", token]
            spans.append((end + 1, end + 1 + len(token)))
            end += 1 + len(token)
    return "".join(parts[1:]), spans


def entities_of_tags(text: str, spans: Sequence[Span], tags: Sequence[str]) -> tuple[Entity, ...]:
    """Entities of IOB2 tags, decoded like predictions: an inside tag that continues no entity begins one."""
    found: list[tuple[int, int, str]] = []
    previous = "O"
    for (start, end), tag in zip(spans, tags, strict=True):
        if tag.startswith("I-") and tag[2:] == previous[2:]:
            found[-1] = (found[-1][0], end, tag[2:])
        elif tag != "O":
            found.append((start, end, tag[2:]))
        previous = tag
    return tuple(Entity(start, end, type_, text[start:end]) for start, end, type_ in found)


@dataclass
class _Block:
    """The lines of one document as they are read."""

    line: int
    about: dict[str, Any] = field(default_factory=dict)
    sentences: list[list[str]] = field(default_factory=lambda: [[]])
    tags: list[str] = field(default_factory=list)
    error: FormatError | None = None


@reader
def read_conll(lines: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    """Documents of CoNLL lines.

    Columns are separated by tabs, or else by spaces; the first is the token, the last the tag. In a file that does not
    begin with ``-DOCSTART-`` every sentence is a document. Text and id are those that `write_conll` stored; otherwise
    the tokens joined by spaces, sentences by line breaks, and a number.
    """
    blocks = 0
    block = _Block(1)
    with_starts = False

    def finish() -> Iterator[Item]:
        nonlocal blocks
        if block.tags or block.about or block.error:
            blocks += 1
            yield attempt(partial(_document, block, str(blocks), file, ids), ids, file, block.line)

    for number, raw in enumerate(lines, start=1):
        start = raw.removeprefix(b"\xef\xbb\xbf").startswith(_START.encode())
        if start:
            yield from finish()
            block, with_starts = _Block(number), True
        elif not raw.strip():
            if block.sentences[-1]:
                block.sentences.append([])
            if not with_starts:
                yield from finish()
                block = _Block(number + 1)
        if block.error is None:
            try:
                with located(file, number, block.about.get("id")):
                    _add(block, decoded(raw, file, number, block.about.get("id")), start, file, number)
            except FormatError as error:
                block.error = error
    yield from finish()


def _add(block: _Block, line: str, start: bool, file: str, number: int) -> None:
    if start:
        rest = line.removeprefix(_START).strip()
        if rest.startswith("{"):
            block.about = _about(rest, file, number)
        return
    columns = line.split("\t") if "\t" in line else line.split()
    if not line.strip():
        return
    if len(columns) < 2 or not columns[0].strip():
        problem = f"expected a token and a tag separated by a tab, got {quoted(line)}; fix the line"
        raise FormatError(file, number, block.about.get("id"), problem)
    if wrong := check_tag(columns[-1]):
        raise FormatError(file, number, block.about.get("id"), wrong)
    block.sentences[-1].append(columns[0])
    block.tags.append(columns[-1])


def _about(rest: str, file: str, number: int) -> dict[str, Any]:
    try:
        about = json.loads(rest)
        fine = isinstance(about["id"], str) and isinstance(about["text"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        fine = False
    if not fine:
        problem = f"expected JSON with id, text and title_end after {_START}, got {quoted(rest)}; fix or remove it"
        raise FormatError(file, number, None, problem)
    if wrong := wrong_title_end(about.get("title_end"), about["text"]):
        raise FormatError(file, number, about["id"], wrong)
    return about


def _document(block: _Block, number: str, file: str, ids: Ids) -> Document:
    if block.error:
        raise block.error
    identifier = ids.given(block.about.get("id", ""), number)
    if block.about:
        text = block.about["text"]
        spans = _align(text, block, file)
    else:
        text, spans = place_tokens(sentence for sentence in block.sentences if sentence)
    title_end = whole_number(block.about.get("title_end"))
    return Document(identifier, text, entities_of_tags(text, spans, block.tags), title_end)


def _align(text: str, block: _Block, file: str) -> list[Span]:
    """The span of each token in the text; only whitespace lies between them."""
    spans: list[Span] = []
    end = 0
    for sentence in block.sentences:
        for token in sentence:
            start = _BLANKS.match(text, end).end()  # type: ignore[union-attr]
            end = start + len(token)
            if text[start:end] != token:
                problem = (
                    f"expected the token {quoted(token)} at {start}, got {quoted(text[start:end])}; fix token or text"
                )
                raise FormatError(file, block.line, block.about["id"], problem)
            spans.append((start, end))
    if text[end:].strip():
        problem = f"expected tokens for the whole text, got none for {quoted(text[end:].strip())}; fix either"
        raise FormatError(file, block.line, block.about["id"], problem)
    return spans


def write_conll(document: Document) -> str:
    """The document as CoNLL lines: words, cut further where an entity begins or ends inside one; a line is a sentence.

    Each token has one tag: where entities overlap, the longest is kept. Scores and concepts are not written.
    """
    about = {"id": document.id, "title_end": document.title_end, "text": document.text}
    lines = [f"{_START}\t{json.dumps(about, ensure_ascii=False)}", ""]
    labels = LabelSet(sorted({entity.type for entity in document.entities}))
    words = _cut(split_words(document.text), document.entities)
    previous = 0
    for (start, end), label in zip(words, labels.encode(words, document.entities).tolist(), strict=True):
        if "\n" in document.text[previous:start] and previous:
            lines.append("")
        lines.append(f"{document.text[start:end]}\t{flat(labels.names[label])}")
        previous = end
    return "\n".join(lines) + "\n\n"


def _cut(words: Iterable[Span], entities: Iterable[Entity]) -> list[Span]:
    borders = sorted({border for entity in entities for border in (entity.start, entity.end)})
    cut: list[Span] = []
    for start, end in words:
        inside = borders[bisect_right(borders, start) : bisect_left(borders, end)]
        cut += pairwise([start, *inside, end])
    return cut
