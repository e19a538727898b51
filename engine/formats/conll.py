"""CoNLL: ``token<TAB>tag`` with IOB2 tags, a blank line between sentences, ``-DOCSTART-`` before each document.

Columns are separated by tabs, or else by spaces; the first is the token and the last the tag. Without ``-DOCSTART-``
every sentence is a document. JSON after it holds id, version, text and title end; otherwise tokens are joined by spaces
and sentences by line breaks. Written tokens are words, split where an entity begins or ends inside one.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from engine.errors import quoted
from engine.formats.base import Format, Source, most_lines_match, on_one_line
from engine.formats.checks import Place, whole_number
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.words import Span, split_words

_DOCUMENT_START = "-DOCSTART-"
_TAG = re.compile(r"O|[BI]-.+")
_BLANKS = re.compile(r"\s*")
_NON_BLANKS = re.compile(r"\S+")
_SNIFFED_LINE = re.compile(rb"-DOCSTART-\s*($|\{|-X-)|\S[^\t]*(\t[^\t]*)*\t(O|[BI]-\S+)\s*$")


def check_tag(tag: str, place: Place) -> None:
    """Raises a `FormatError` unless a tag is an IOB2 tag."""
    if not _TAG.fullmatch(tag):
        raise place.error(f"{quoted(tag)} is not O, B-TYPE or I-TYPE. Convert the tags to IOB2.")


def place_tokens(sentences: Sequence[Sequence[str]]) -> tuple[str, list[Span]]:
    """Joins tokens by spaces and sentences by line breaks; returns the text and the span of each token in it."""
    spans, start = [], 0
    for token in chain.from_iterable(sentences):
        spans.append((start, start + len(token)))
        start += len(token) + 1
    return "\n".join(map(" ".join, sentences)), spans


def entities_of_tags(text: str, spans: Sequence[Span], tags: Sequence[str]) -> tuple[Entity, ...]:
    """Decodes IOB2 tags into entities, like predictions: an inside tag that continues no entity begins one."""
    labels = LabelSet(sorted({tag[2:] for tag in tags if tag != "O"}))
    certain = np.eye(len(labels))  # each tag as a distribution
    return labels.decode(text, spans, certain[list(map(labels.names.index, tags))])


def _records(source: Source) -> Iterator[tuple[int, Any]]:
    with_starts, number = False, 0

    def begins(line: bytes) -> bool:
        nonlocal with_starts
        with_starts = with_starts or _is_start(line)
        return _is_start(line) if with_starts else not line.strip()

    for block in source.blocks(begins):
        first, *others = (line for _, line in block if line.strip())
        if others or b"{" in first or not _is_start(first):  # otherwise -DOCSTART- without a document
            number += 1
            yield block[0][0], (block, number)


def _is_start(line: bytes) -> bool:
    return line.removeprefix(codecs.BOM_UTF8).startswith(_DOCUMENT_START.encode())


def _document(content: tuple[list[tuple[int, bytes]], int], place: Place) -> Document:
    (block, number), begin = content, place.line
    header: dict[str, Any] = {}
    sentences: list[list[str]] = [[]]
    tags: list[str] = []
    for place.line, raw in block:
        line = place.decode(raw).rstrip("\r\n")
        if _is_start(raw):
            header = _parse_header(line.removeprefix(_DOCUMENT_START).strip(), place)
        elif not line.strip():
            sentences.append([])
        else:
            columns = line.split("\t") if "\t" in line else line.split()
            if len(columns) < 2 or not columns[0].strip():
                raise place.error(f"No tab separates a token and a tag in {quoted(line)}.")
            check_tag(columns[-1], place)
            sentences[-1].append(columns[0])
            tags.append(columns[-1])
    place.line = begin
    identifier = place.identify(header.get("id", ""), number)
    if header:
        text = header["text"]
        spans = _locate_tokens(text, chain.from_iterable(sentences), place)
    else:
        text, spans = place_tokens([sentence for sentence in sentences if sentence])
    title_end = place.title_end(header.get("title_end"), text)
    version = whole_number(header.get("version"))
    return Document(identifier, text, entities_of_tags(text, spans, tags), title_end, version)


def _parse_header(rest: str, place: Place) -> dict[str, Any]:
    if not rest.startswith("{"):
        return {}
    try:
        header: dict[str, Any] = json.loads(rest)
    except (ValueError, RecursionError):
        header = {}
    if not (isinstance(header.get("id"), str) and isinstance(header.get("text"), str)):
        problem = f"What follows {_DOCUMENT_START} is not JSON with id, text and title_end: {quoted(rest)}"
        raise place.error(f"{problem}. Fix or remove it.")
    place.document = header["id"]
    return header


def _locate_tokens(text: str, tokens: Iterable[str], place: Place) -> list[Span]:
    """Returns the span of each token in a text that consists of these tokens and blanks."""
    spans: list[Span] = []
    end = 0
    for token in tokens:
        start = _BLANKS.match(text, end).end()  # type: ignore[union-attr]
        end = start + len(token)
        if text[start:end] != token:
            raise place.error(f"The text at {start} is {quoted(text[start:end])}, not the token {quoted(token)}.")
        spans.append((start, end))
    if rest := text[end:].strip():
        raise place.error(f"No tokens follow for the rest of the text, {quoted(rest)}.")
    return spans


def _write_document(document: Document) -> str:
    version = {} if document.version is None else {"version": document.version}
    header = {"id": document.id} | version | {"title_end": document.title_end, "text": document.text}
    lines = [f"{_DOCUMENT_START}\t{json.dumps(header, ensure_ascii=False)}", ""]
    labels = LabelSet(sorted({entity.type for entity in document.entities}))
    words = list(_split_tokens(document))
    previous = 0
    for (start, end), label in zip(words, labels.encode(words, document.entities).tolist(), strict=True):
        if "\n" in document.text[previous:start] and previous:
            lines.append("")
        lines.append(f"{document.text[start:end]}\t{on_one_line(labels.names[label])}")
        previous = end
    return "\n".join(lines) + "\n\n"


def _split_tokens(document: Document) -> Iterator[Span]:
    """Yields the words and any other non-blank text between them, split where entities begin or end."""
    text = document.text
    spans = [*split_words(text), *((entity.start, entity.end) for entity in document.entities)]
    borders = sorted({0, len(text), *chain.from_iterable(spans)})
    for start, end in pairwise(borders):
        yield from (match.span() for match in _NON_BLANKS.finditer(text, start, end))


CONLL = Format(
    "conll",
    (".conll", ".iob", ".iob2", ".tsv"),
    lambda head: b"\t" in head and most_lines_match(_SNIFFED_LINE, head),
    _records,
    _document,
    _write_document,
)
