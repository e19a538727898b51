"""Damaged files: documents in every format that is written, mutations of their bytes, and what a reading must satisfy.

A new format is one line of ``KINDS``.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from engine.data.formats import WRITERS, read_documents
from engine.data.formats.base import writer
from engine.data.reading.checks import MAX_GROWTH
from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity
from tests.engine.bulk.made_up import FOOT, HEAD
from tests.fuzz.texts import texts


@dataclass(frozen=True)
class Kind:
    """How documents become the bytes of a file; ``packed``: gzipped, so that damage anywhere may end the file.

    ``write``: yields what comes before the documents, each document, what comes after.
    """

    suffix: str
    write: Callable[[Iterable[Document]], Iterator[str]]
    packed: bool = False
    lines: bool = False


def _line(document: Document) -> str:
    return " ".join(document.text.replace("\0", "\ufffd").split()) + "\n"  # a NUL byte is no text


def _record(document: Document) -> str:
    printable = "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in document.text)
    title, abstract = escape(printable).split("\n", 1)
    return (
        f"<PubmedArticle><MedlineCitation><PMID>{document.id}</PMID><Article><ArticleTitle>{title}</ArticleTitle>\n"
        f"<Abstract><AbstractText>{abstract}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>\n"
    )


KINDS = {name: Kind(format_.suffix, format_.write) for name, format_ in WRITERS.items()} | {
    "pubmed": Kind(".xml", writer(_record, HEAD, FOOT)),
    "text lines": Kind(".txt", writer(_line), lines=True),
    "gzipped jsonl": Kind(".jsonl.gz", WRITERS["jsonl"].write, packed=True),
}

_TOKENS = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1b[2J", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\r", b"\n",
    b"\n\n", b"\t", b"|t|", b"|a|", b"9" * 5000, b"-1", b"1e999", b"NaN", b"null", b"0.5", b"{", b"}", b"[" * 3000,
    b'"', b"\\", b"\\ud800", b"-DOCSTART-", b"\tB-", b"<", b">", b"<!--", b"<![CDATA[", b"]]>", b"<?x", b"&x;", b"&#0;",
    b"&#x110000;", b"<document>", b"</document>", b"</collection>", b"<passage>" * 500, b"<text>", b"</text>",
    b"<offset>1000000</offset>", b' encoding="foo"', b'<!DOCTYPE c [<!ENTITY a "b">]>',
]  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    """Two to five documents that every format can hold."""
    several = []
    for number in range(draw(st.integers(2, 5))):
        title = " ".join(draw(texts(6)).split()) or "Nausea"
        title, text = title.encode("utf-8", "replace").decode(), "Pain after aspirin. " * draw(st.integers(0, 3))
        text = f"{title}\n{text.strip()}"
        entities = [Entity(0, len(title), "Disease", title)] if draw(st.booleans()) else []
        if text.endswith("aspirin."):
            entities.append(Entity(len(text) - 8, len(text) - 1, "Chemical", "aspirin"))
        several.append(Document(f"3100000{number}", text, tuple(entities), len(title)))
    return several


@dataclass(frozen=True)
class Mutation:
    """``content[start:end]`` becomes ``new``."""

    start: int
    end: int
    new: bytes


@st.composite
def mutations(draw: st.DrawFn, content: bytes) -> list[Mutation]:
    """One to three non-overlapping changes of a content, last one first."""
    changed: list[Mutation] = []
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.sampled_from([0, 0, 1, 1, 2, 10, 40]))
        digits = bytes(draw(st.sampled_from(b"0123456789")) if 48 <= c < 58 else c for c in content[start:end])
        new = draw(
            st.sampled_from(_TOKENS)
            | st.binary(max_size=4)
            | st.just(b"")
            | st.just(digits)
            | st.just(content[start : start + 60] * 2)
        )
        if draw(st.integers(0, 19)) == 0:
            end, new = len(content), b""  # cut short
        mutation = Mutation(start, min(end, len(content)), new)
        if all(mutation.end < other.start or other.end < start for other in changed):
            changed.append(mutation)
    return sorted(changed, key=lambda mutation: -mutation.start)


@dataclass(frozen=True)
class Damaged:
    """An intact file and its damaged version; ``touched``: ids of the documents that were changed."""

    format: str
    sound: bytes
    content: bytes
    ids: list[str]
    touched: set[str]
    mutations: list[Mutation]


@st.composite
def damaged_files(draw: st.DrawFn, name: str) -> Damaged:
    """A file of a format, damaged."""
    kind = KINDS[name]
    several = draw(documents())
    head, *parts, foot = (piece.encode("utf-8", "replace") for piece in kind.write(several))
    ids = [str(number) if kind.lines else document.id for number, document in enumerate(several, 1)]
    sound = b"".join([head, *parts, foot])
    if kind.packed:
        sound = gzip.compress(sound, mtime=0)
    changed = draw(mutations(sound))
    content = sound
    for one in changed:
        content = content[: one.start] + one.new + content[one.end :]
    touched, begin = set(), len(head)
    for number, part in enumerate(parts):
        end = begin + len(part)
        # In CoNLL a document ends where the next one begins.
        reach = parts[number + 1].index(b"\n") + 1 if name == "conll" and number + 1 < len(parts) else 0
        if any(one.start <= end + reach and one.end >= begin for one in changed):
            touched.add(ids[number])
        begin = end
    renumbered = kind.lines and any(b"\n" in one.new + sound[one.start : one.end] for one in changed)
    if renumbered or kind.packed:
        touched = set(ids)
    return Damaged(name, sound, content, ids, touched, changed)


def wrong_reading(damaged: Damaged, folder: Path) -> str | None:
    """What is wrong with the reading of a damaged file, if anything.

    Every document outside the damage comes back unchanged, or an error says that nothing more was read. One inside it
    comes back valid, or is reported. Only `InputError` is raised; messages are one line.
    """
    kind = KINDS[damaged.format]
    path = folder / f"a{kind.suffix}"
    path.write_bytes(damaged.sound)
    originals = list(read_documents(path, lines_are_texts=kind.lines))
    if [document.id for document in originals] != damaged.ids:
        return "a document lost from the sound file"
    path.write_bytes(damaged.content)
    errors: list[FormatError] = []
    found: list[Document] = []
    unreadable: list[InputError] = []
    try:
        found += read_documents(path, errors.append, lines_are_texts=kind.lines)
    except InputError as error:
        unreadable.append(error)
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        return f"a traceback: {type(error).__name__}: {str(error)[:100]}"
    for message in map(str, [*errors, *unreadable]):
        if not message.isprintable() or len(message) > 1000:
            return f"a message that is not one line: {message[:200]!r}"
    lines = damaged.content.count(b"\n") + 2
    for place in errors:
        if place.file != str(path) or not (1 <= place.line <= lines or kind.packed):
            return f"an error without its place: {place}"
    return _lost(damaged, originals, found, errors, ended=bool(unreadable)) or _unsound(damaged, found)


def _lost(
    damaged: Damaged, originals: list[Document], found: list[Document], errors: list[FormatError], *, ended: bool
) -> str | None:
    by_id = {document.id: document for document in found}
    reported = {error.document for error in errors}
    if KINDS[damaged.format].lines and not ended:
        filled = sum(bool(line.strip()) for line in damaged.content.split(b"\n"))
        if len(found) + len(errors) != filled:
            return f"{len(found)} documents and {len(errors)} errors of {filled} lines"
    ended = ended or any(error.ends_file for error in errors)
    for original in originals:
        again = by_id.get(original.id)
        if original.id not in damaged.touched and again != original and original.id not in reported and not ended:
            return f"a document lost: {original.id}: {again}"
        silent = again is None and not (errors or ended) and len(found) < len(originals)
        if silent and not KINDS[damaged.format].lines and original.id.encode() in damaged.content:
            return f"a document dropped without a word: {original.id}"
    return None


def _unsound(damaged: Damaged, found: list[Document]) -> str | None:
    if len({document.id for document in found}) < len(found):
        return "two documents of one id"
    for document in found:
        text, bound = document.text, MAX_GROWTH * len(damaged.content)
        if not KINDS[damaged.format].packed and len(text) > bound:
            return f"{len(text)} characters of {len(damaged.content)} bytes"
        if document.title_end is not None and not 0 <= document.title_end <= len(text):
            return f"a title that ends at {document.title_end} of {len(text)} characters"
        for entity in document.entities:
            if not (0 <= entity.start < entity.end <= len(text) and text[entity.start : entity.end] == entity.text):
                return f"a wrong offset: {entity}"
            if not isfinite(entity.score):
                return f"a score that is not finite: {entity}"
    return None
