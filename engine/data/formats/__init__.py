"""Reading and writing documents, one module for each format. Readers stream; errors name the broken document.

| format | suffix | recognised from the content by |
| --- | --- | --- |
| BioC JSON | ``.json`` | ``{`` or ``[`` as the first character and ``"documents": [`` or PubTator 3's key soon after |
| BioC XML | ``.xml`` | ``<`` as the first character and ``<collection`` soon after |
| CoNLL, IOB2 tags | ``.conll``, ``.iob``, ``.iob2`` | ``-DOCSTART-`` or ``token<TAB>tag`` among the first lines |
| JSON lines | ``.jsonl`` | ``{`` as the first character |
| Parquet | ``.parquet`` | ``PAR1`` as the first characters |
| PubMed XML | – | ``<`` as the first character and ``<PubmedArticleSet`` soon after |
| PubTator | ``.pubtator`` | ``ID|t|``, ``ID|a|`` or an annotation among the first lines |
| plain text | – | anything else: one document, or one a line |

A name that ends in ``.gz`` is that of a gzipped file; the suffix before it counts.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
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
from engine.data.formats.common import OnError, decoded, encoding_problem, fail
from engine.data.formats.conll import read_conll, write_conll
from engine.data.formats.datasets import read_dataset
from engine.data.formats.jsonl import read_jsonl, write_jsonl
from engine.data.formats.parquet import COLUMNS, read_parquet
from engine.data.formats.pubmed import OnDeleted, ignore, read_pubmed
from engine.data.formats.pubtator import read_pubtator, write_pubtator
from engine.errors import FormatError, InputError, first_line
from engine.text.documents import Document

__all__ = [
    "SUFFIXES",
    "WRITERS",
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

    ``between``: what stands between two documents.
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
_PUBMED = b"<PubmedArticleSet"
_BIOC_JSON = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')
_PUBTATOR_LINE = re.compile(rb"^(\S+\|[ta]\||\S[^\t]*\t\d+\t\d+\t)")
_CONLL_LINE = re.compile(rb"^(-DOCSTART-|[^\s][^\t]*(\t[^\t]*)*\t(O|[BI]-\S+)\s*$)")
_PEEK = 20  # lines from which a format is recognised, even if the first ones are broken
_PIECE = 1 << 16  # bytes; a file without line breaks is read in pieces


def read_documents(path: str | Path, on_error: OnError = fail, *, lines_are_texts: bool = False) -> Iterator[Document]:
    """Documents of a file, one by one. The suffix decides on the format, else the content (see the module).

    Args:
        path: the file, UTF-8 (XML: as declared); it is read once, so a pipe works.
        on_error: called with each broken document, which is then left out; the default raises.
        lines_are_texts: plain text is one document a line, its id the line's number, instead of one document.

    Raises:
        InputError: if the file cannot be read.
        FormatError: for a broken document, with the default ``on_error``.
    """
    try:
        with Path(path).open("rb") as file:
            yield from read_stream(file, str(path), on_error, lines_are_texts=lines_are_texts)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def read_stream(
    file: IO[bytes],
    name: str,
    on_error: OnError = fail,
    *,
    lines_are_texts: bool = False,
    columns: tuple[str, str] = COLUMNS,
    on_deleted: OnDeleted = ignore,
) -> Iterator[Document]:
    """Documents of an open file; see `read_documents`.

    Args:
        file: opened for bytes; Parquet must be seekable.
        name: path or URL; its suffix counts.
        on_error: see `read_documents`.
        lines_are_texts: see `read_documents`.
        columns: of Parquet: those of the ids and of the texts.
        on_deleted: of PubMed: called with the PMID and version of each citation that the file deletes.
    """
    path = PurePath(name)
    zipped = path.suffix.lower() == ".gz"
    suffix = path.with_suffix("").suffix if zipped else path.suffix
    try:
        # The zipped file stays its owner's; closing the unzipped one leaves it open.
        with cast(IO[bytes], gzip.GzipFile(fileobj=file)) if zipped else nullcontext(file) as content:
            head = [content.readline(_PIECE) for _ in range(_PEEK)]
            kind = _kind(suffix.lower(), head)
            pieces = chain(head, iter(lambda: content.read(_PIECE), b""))
            if kind == "plain":
                read = _read_lines if lines_are_texts else _read_plain
                yield from read(b"".join(pieces), path, on_error)
            elif kind == "parquet":
                content.seek(0)
                yield from read_parquet(content, name, on_error, columns)
            elif kind == "pubmed":
                yield from read_pubmed(pieces, name, on_error, on_deleted)
            elif kind in _PIECE_READERS:
                yield from _PIECE_READERS[kind](pieces, name, on_error)
            else:
                yield from _LINE_READERS[kind](_lines(head, content), name, on_error)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(name, error) from error


_PIECE_READERS = {"bioc": read_bioc, "bioc-json": read_bioc_json}
_LINE_READERS = {"conll": read_conll, "jsonl": read_jsonl, "pubtator": read_pubtator}


def _unreadable(name: str, error: Exception) -> InputError:
    problem = getattr(error, "strerror", None) or first_line(error)
    return InputError(f"expected a readable file, got {name}: {problem}; check the path")


def _kind(suffix: str, head: list[bytes]) -> str:
    """The format, by the suffix or else by the content; both PubMed's and BioC's files are called ``.xml``."""
    kind = SUFFIXES.get(suffix) or _recognise(head)
    return "pubmed" if kind == "bioc" and _PUBMED in b"".join(head) else kind


def _recognise(head: list[bytes]) -> str:
    lines = [head[0].removeprefix(codecs.BOM_UTF8), *head[1:]]
    start = b"".join(lines).lstrip()
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"<") and _PUBMED in start:
        return "pubmed"
    if start.startswith(b"<") and b"<collection" in start:
        return "bioc"
    if start.startswith((b"{", b"[")) and _BIOC_JSON.search(start):
        return "bioc-json"
    if any(map(_PUBTATOR_LINE.match, lines)):
        return "pubtator"
    if start.startswith(b"{"):
        return "jsonl"
    return "conll" if any(map(_CONLL_LINE.match, lines)) else "plain"


def _lines(head: Iterable[bytes], file: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, although those of ``head`` may be cut."""
    begun = b""
    for piece in chain(head, file):
        begun += piece
        if begun.endswith(b"\n"):
            yield begun
            begun = b""
    if begun:
        yield begun


def _read_plain(raw: bytes, path: PurePath, on_error: OnError) -> Iterator[Document]:
    try:
        yield Document(path.stem, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        on_error(FormatError(str(path), line, path.stem, encoding_problem(error)))


def _read_lines(raw: bytes, path: PurePath, on_error: OnError) -> Iterator[Document]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        try:
            text = decoded(line, str(path), number, None)
        except FormatError as error:
            on_error(error)
        else:
            if text.strip():
                yield Document(str(number), text)
