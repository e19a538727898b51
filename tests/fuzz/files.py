"""Damaged files: documents in every format that is written, mutations of their bytes, and what a reading must hold."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from engine.errors import FormatError, InputError
from engine.formats import WRITERS, read_documents, recognise_format
from engine.formats.base import Source
from engine.formats.plain import PLAIN
from engine.formats.pubmed import PUBMED
from engine.text.documents import Document, Entity
from tests.engine.bulk.made_up import FOOT, HEAD
from tests.fuzz.texts import texts


class Kind(NamedTuple):
    """How documents become the bytes of a file.

    ``write``: yields what comes before the documents, each document, what comes after.
    ``lines``: each line is a document.
    """

    suffix: str
    write: Callable[[Iterable[Document]], Iterator[str]]
    lines: bool = False


def _line(document: Document) -> str:
    return " ".join(document.text.replace("|t|", "|").split()) + "\n"  # a line with |t| is one of PubTator


def _record(document: Document) -> str:
    printable = "".join(
        character if character.isprintable() or character == "\n" else "\ufffd" for character in document.text
    )
    title, abstract = escape(printable).split("\n", 1)
    return (
        f"<PubmedArticle><MedlineCitation><PMID>{document.id}</PMID><Article><ArticleTitle>{title}</ArticleTitle>\n"
        f"<Abstract><AbstractText>{abstract}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>\n"
    )


KINDS = {name: Kind(format_.suffix, format_.write) for name, format_ in WRITERS.items()} | {
    "pubmed": Kind(".xml", replace(PUBMED, written=_record, head=HEAD, foot=FOOT).write),
    "text lines": Kind(".txt", replace(PLAIN, written=_line).write, lines=True),
}

# Where a file names a document. Other CoNLL lines that begin with -DOCSTART- begin a document without an id.
_NAMED = {"pubtator": rb"(?m)^%s\|", "conll": rb'(?m)^-DOCSTART-\s*\{"id": "%s"'}
_NAMED_ELSEWHERE = rb'[">]%s["<]'

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


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> tuple[int, int, bytes]:
    """A start, an end and what stands between them after the damage."""
    start = draw(st.integers(0, len(content)))
    end = min(start + draw(st.sampled_from([0, 0, 1, 1, 2, 10, 40])), len(content))
    digits = bytes(draw(st.sampled_from(b"0123456789")) if 48 <= c < 58 else c for c in content[start:end])
    others = [b"", digits, content[start : start + 60] * 2]
    new = draw(st.sampled_from(_TOKENS) | st.binary(max_size=4) | st.sampled_from(others))
    return (start, len(content), b"") if draw(st.integers(0, 19)) == 0 else (start, end, new)  # cut short


class Damaged(NamedTuple):
    """An intact file and its damaged version; ``touched``: ids of the documents that were changed."""

    format: str
    sound: bytes
    content: bytes
    ids: list[str]
    touched: set[str]


@st.composite
def damaged_files(draw: st.DrawFn, name: str) -> Damaged:
    """A file of a format, damaged in one to three places."""
    kind = KINDS[name]
    several = draw(documents())
    pieces = [piece.encode("utf-8", "replace") for piece in kind.write(several)]  # head, documents, foot
    ids = [f"a-{number}" if kind.lines else document.id for number, document in enumerate(several, 1)]
    sound, touched = b"".join(pieces), set[str]()
    for _ in range(draw(st.integers(1, 3))):
        content = b"".join(pieces)
        start, end, new = draw(damage(content))
        if kind.lines and b"\n" in new + content[start:end]:
            touched |= set(ids)
        stop = 0
        for number, piece in enumerate(pieces):
            begin, stop = stop, stop + len(piece)
            # In CoNLL a document ends where the next one begins.
            reach = max(stop, content.find(b"\n", stop) + 1) if name == "conll" else stop
            if end >= begin and start <= reach and 0 < number <= len(several):
                touched.add(ids[number - 1])
            if end >= begin and start <= stop:
                pieces[number] = piece[: max(start - begin, 0)] + new + piece[max(end - begin, 0) :]
                new = b""
    return Damaged(name, sound, b"".join(pieces), ids, touched)


def check_reading(damaged: Damaged, folder: Path) -> None:
    """Checks what is read from a damaged file.

    Every document outside the damage comes back unchanged, or an error says that nothing more was read. One inside it
    comes back valid, or is reported. Only `InputError` is raised; messages are one line.
    """
    kind = KINDS[damaged.format]
    path = folder / f"a{kind.suffix}"
    path.write_bytes(damaged.sound)
    originals = list(read_documents(path, lines_are_texts=kind.lines))
    assert [document.id for document in originals] == damaged.ids
    path.write_bytes(damaged.content)
    errors, found, unreadable = list[FormatError](), list[Document](), list[InputError]()
    try:
        found += read_documents(path, errors.append, lines_are_texts=kind.lines)
    except InputError as error:
        unreadable.append(error)
    for message in map(str, [*errors, *unreadable]):
        assert message.isprintable()
        assert len(message) <= 1000
    for place in errors:
        assert place.file == str(path)
        assert 1 <= place.line <= damaged.content.count(b"\n") + 2
    recognised = recognise_format(Source(BytesIO(damaged.content), path.name))
    is_table = kind.lines and recognised is not PLAIN  # lines in which damage has put tabs and tags
    if not (unreadable or is_table or any(error.ends_file for error in errors)):
        _check_nothing_lost(damaged, originals, found, errors)
    assert len({document.id for document in found}) == len(found)
    for document in found:
        assert 0 <= (document.title_end or 0) <= len(document.text)
        for entity in document.entities:
            assert 0 <= entity.start < entity.end <= len(document.text)
            assert document.text[entity.start : entity.end] == entity.text
            assert isfinite(entity.score)


def _check_nothing_lost(
    damaged: Damaged, originals: list[Document], found: list[Document], errors: list[FormatError]
) -> None:
    by_id = {document.id: document for document in found}
    reported = {str(error.document).partition(" version ")[0] for error in errors}  # PubMed has versions
    lines, named = KINDS[damaged.format].lines, _NAMED.get(damaged.format, _NAMED_ELSEWHERE)
    if lines:
        assert len(found) + len(errors) == sum(bool(line.strip()) for line in damaged.content.split(b"\n"))
    for original in originals:
        again = by_id.get(original.id)
        assert original.id in damaged.touched or again == original or original.id in reported
        silent = again is None and not errors and len(found) < len(originals)
        assert not silent or lines or not re.search(named % original.id.encode(), damaged.content)
