"""Reading and writing documents, one module for each format. Readers stream; errors name the broken document.

| format | suffix | recognised from the content by |
| --- | --- | --- |
| BioC JSON | ``.json`` | ``{`` or ``[`` as the first character and ``"documents": [`` or PubTator 3's key soon after |
| BioC XML | ``.xml`` | ``<`` as the first character and ``<collection`` soon after |
| CoNLL, IOB2 tags | ``.conll``, ``.iob``, ``.iob2`` | ``token<TAB>tag`` (one) or ``-DOCSTART-`` in most lines |
| JSON lines | ``.jsonl`` | ``{"`` as the first characters |
| Parquet | ``.parquet`` | its first bytes: ``PAR1`` and a control character |
| PubMed XML | – | ``<`` as the first character and ``<PubmedArticleSet`` soon after |
| PubTator | ``.pubtator`` | ``ID|t|``, ``ID|a|`` or an annotation in most of the first lines, relations apart |
| plain text | – | anything else: one document, or one per line |

A name that ends in ``.gz`` means a gzipped file; the suffix before it counts.
"""

from __future__ import annotations

import codecs
import gzip
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from io import SEEK_END
from itertools import chain, islice
from math import inf
from pathlib import Path, PurePath
from typing import IO, cast

from engine.data.formats.bioc import BIOC_FOOT, BIOC_HEAD, read_bioc, write_bioc
from engine.data.formats.bioc_json import (
    BIOC_JSON_BETWEEN,
    BIOC_JSON_FOOT,
    BIOC_JSON_HEAD,
    read_bioc_json,
    write_bioc_json,
)
from engine.data.formats.common import (
    Ids,
    Item,
    OnError,
    Reader,
    attempt,
    decoded,
    encoding_problem,
    fail,
    readable,
    reader,
)
from engine.data.formats.conll import read_conll, write_conll
from engine.data.formats.datasets import read_dataset
from engine.data.formats.jsonl import read_jsonl, write_jsonl
from engine.data.formats.parquet import COLUMNS, read_parquet
from engine.data.formats.pubmed import OnDeleted, ignore, read_pubmed
from engine.data.formats.pubtator import read_pubtator, write_pubtator
from engine.errors import FormatError, InputError
from engine.text.documents import Document

__all__ = [
    "PARQUET",
    "SUFFIXES",
    "WRITERS",
    "Ids",
    "OnDeleted",
    "OnError",
    "Writer",
    "read_bioc",
    "read_bioc_json",
    "read_conll",
    "read_dataset",
    "read_documents",
    "read_jsonl",
    "read_parquet",
    "read_pubmed",
    "read_pubtator",
    "read_stream",
    "write_bioc",
    "write_bioc_json",
    "write_conll",
    "write_jsonl",
    "write_pubtator",
]


@dataclass(frozen=True)
class Writer:
    """How documents of a format are written: ``head``, each document, ``foot``; ``suffix`` of the file's name.

    ``between``: what separates two documents.
    """

    suffix: str
    document: Callable[[Document], str]
    head: str = ""
    foot: str = ""
    between: str = ""

    def pieces(self, documents: Iterable[Document]) -> Iterator[str]:
        """A whole file of documents, piece by piece."""
        yield self.head
        for number, document in enumerate(documents):
            yield (self.between if number else "") + self.document(document)
        yield self.foot


WRITERS = {
    "pubtator": Writer(".pubtator", write_pubtator),
    "bioc": Writer(".xml", write_bioc, BIOC_HEAD, BIOC_FOOT),
    "bioc-json": Writer(".json", write_bioc_json, BIOC_JSON_HEAD, BIOC_JSON_FOOT, BIOC_JSON_BETWEEN),
    "conll": Writer(".conll", write_conll),
    "jsonl": Writer(".jsonl", write_jsonl),
}

SUFFIXES = {
    ".xml": "bioc",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".json": "bioc-json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".pubtator": "pubtator",
}
PARQUET = b"PAR1\x15"  # a text may begin with PAR1, which is a gene, but not with the byte after it
_PUBMED = b"<PubmedArticleSet"
_BIOC_JSON = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_JSON_OBJECT = re.compile(rb'\{\s*"')
_PUBTATOR_LINE = re.compile(rb"(\S+|\S[^\t|]*\S)\|[ta]\||\S[^\t]*\t\d+\t\d+\t")
_PUBTATOR_RELATION = re.compile(rb"\S[^\t]*\t[A-Za-z][A-Za-z_-]+\t[^\t]*\t")  # no evidence: tables look like it
_CONLL_LINE = re.compile(rb"^(-DOCSTART-|[^\s][^\t]*(\t[^\t]*)*\t(O|[BI]-\S+)\s*$)")
_PEEK = 20  # lines from which a format is recognised, even if the first ones are broken
_UNPACKED, _UNPACKED_RATIO = 10_000_000, 50  # bytes allowed for any gzipped file, plus per packed byte; text has 3–10
_PIECE = 1 << 16  # bytes; a file without line breaks is read in pieces


def read_documents(
    path: str | Path, on_error: OnError = fail, *, lines_are_texts: bool = False, ids: Ids | None = None
) -> Iterator[Document]:
    """Documents of a file, one by one. The suffix determines the format, or else the content (see the module).

    Args:
        path: the file, UTF-8 (XML: as declared), or ``"-"``, standard input; it is read once, so a pipe works.
        on_error: called with each broken document, which is then left out; the default raises.
        lines_are_texts: plain text is one document per line, its id the line's number, instead of one document.
        ids: those of documents in other files read with this one: all must differ.

    Raises:
        InputError: if the file cannot be read.
        FormatError: for a broken document, with the default ``on_error``.
    """
    with _opened(path) as file:
        yield from read_stream(
            file, "stdin" if path == "-" else str(path), on_error, lines_are_texts=lines_are_texts, ids=ids
        )


def read_stream(
    file: IO[bytes],
    name: str,
    on_error: OnError = fail,
    *,
    lines_are_texts: bool = False,
    ids: Ids | None = None,
    columns: tuple[str, str] = COLUMNS,
    on_deleted: OnDeleted = ignore,
) -> Iterator[Document]:
    """Documents of an open file; see `read_documents`.

    Args:
        file: open in binary mode, closed by the caller; Parquet must be seekable.
        name: path or URL; its suffix counts.
        on_error: see `read_documents`.
        lines_are_texts: see `read_documents`.
        ids: see `read_documents`.
        columns: for Parquet: those of the ids and of the texts.
        on_deleted: for PubMed: called with the PMID and version of each citation that the file deletes.
    """
    path = PurePath(name)
    zipped = path.suffix.lower() == ".gz"
    suffix = path.with_suffix("").suffix if zipped else path.suffix
    content = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if zipped else file
    pieces = _pieces(content, name, _most_bytes(file, name) if zipped else inf)
    head = list(islice(pieces, _PEEK))
    kind = _kind(suffix.lower(), head)
    if kind == "plain" and lines_are_texts:
        kind = "lines"
    pieces = chain(head, pieces)
    if kind == "parquet":
        yield from read_parquet(content, name, on_error, ids, columns)
    elif kind == "pubmed":
        yield from read_pubmed(pieces, name, on_error, ids, on_deleted)
    else:
        yield from _READERS[kind](pieces if kind in _IN_PIECES else _lines(pieces), name, on_error, ids)


def _pieces(file: IO[bytes], name: str, most: float) -> Iterator[bytes]:
    """Yields a file line by line, long lines in several pieces."""
    size = 0
    with readable(name):
        for piece in iter(lambda: file.readline(_PIECE), b""):
            size += len(piece)
            if size > most:
                raise InputError(f"expected at most {most:,} bytes in {name}, got more; unpack the file first")
            yield piece


def _most_bytes(file: IO[bytes], name: str) -> float:
    """How many bytes a gzipped file may hold: a small one must not fill the memory.

    Raises:
        InputError: it is empty, which no gzipped file is.
    """
    try:
        size = file.seek(0, SEEK_END)
        file.seek(0)
    except (OSError, ValueError):  # a pipe, or a server that only sends whole files
        return inf
    if not size:
        raise InputError(f"expected a gzipped file, got an empty one, {name}; fetch it again")
    return _UNPACKED + _UNPACKED_RATIO * size


@contextmanager
def _opened(path: str | Path) -> Iterator[IO[bytes]]:
    with readable(path):
        if path != "-":
            file: IO[bytes] = Path(path).open("rb")  # noqa: SIM115  # closed below
        elif sys.stdin is None:
            raise OSError("standard input is closed")
        else:
            file = sys.stdin.buffer
    with nullcontext(file) if path == "-" else file:
        yield file


def _kind(suffix: str, head: list[bytes]) -> str:
    """The format, by the suffix or else by the content; both PubMed's and BioC's files end in ``.xml``."""
    kind = SUFFIXES.get(suffix) or _recognise(head)
    return "pubmed" if kind == "bioc" and _PUBMED in b"".join(head) else kind


def _recognise(head: list[bytes]) -> str:
    content = b"".join(head)
    if content.startswith(PARQUET):
        return "parquet"
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    start = b"".join(lines).lstrip()
    if start.startswith(b"<") and _PUBMED in start:
        return "pubmed"
    if start.startswith(b"<") and b"<collection" in start:
        return "bioc"
    if start.startswith((b"{", b"[")) and _BIOC_JSON.search(start):
        return "bioc-json"
    filled = [line for line in lines if line.strip()]

    def mostly(pattern: re.Pattern[bytes], lines: list[bytes]) -> bool:
        return 2 * sum(pattern.match(line) is not None for line in lines) > len(lines)

    if mostly(_PUBTATOR_LINE, [line for line in filled if not _PUBTATOR_RELATION.match(line)]):
        return "pubtator"
    if _JSON_OBJECT.match(start):
        return "jsonl"
    return "conll" if mostly(_CONLL_LINE, filled) and any(b"\t" in line for line in filled) else "plain"


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Joins pieces of lines into whole lines."""
    begun: list[bytes] = []
    for piece in pieces:
        begun.append(piece)
        if piece.endswith(b"\n"):
            yield b"".join(begun)
            begun = []
    if begun:
        yield b"".join(begun)


@reader
def _read_plain(pieces: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    raw = b"".join(pieces)

    def document() -> Document:
        identifier = ids.invent(Path(file).stem)
        try:
            return Document(identifier, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise FormatError(file, line, identifier, encoding_problem(error)) from error

    yield attempt(document, ids, file, 1)


@reader
def _read_lines(lines: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield attempt(partial(_line, line, file, number, ids), ids, file, number)


def _line(raw: bytes, file: str, number: int, ids: Ids) -> Document:
    return Document(ids.invent(str(number)), decoded(raw, file, number, None))


_READERS: dict[str, Reader] = {
    "bioc": read_bioc,
    "bioc-json": read_bioc_json,
    "conll": read_conll,
    "jsonl": read_jsonl,
    "lines": _read_lines,
    "plain": _read_plain,
    "pubtator": read_pubtator,
}
_IN_PIECES = ("bioc", "bioc-json", "plain")  # the others take whole lines
