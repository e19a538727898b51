"""Reading and writing documents, one module for each format. Readers stream; errors name the broken document.

| format | suffix | recognised from the content by |
| --- | --- | --- |
| BioC XML | ``.xml`` | ``<`` as the first character and ``<collection`` soon after |
| CoNLL, IOB2 tags | ``.conll``, ``.iob``, ``.iob2`` | ``-DOCSTART-`` or ``token<TAB>tag`` among the first lines |
| JSON lines | ``.jsonl`` | ``{`` as the first character |
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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engine.data.formats.bioc import BIOC_FOOT, BIOC_HEAD, read_bioc, write_bioc
from engine.data.formats.common import OnError, decoded, encoding_problem, fail
from engine.data.formats.conll import read_conll, write_conll
from engine.data.formats.datasets import read_dataset
from engine.data.formats.jsonl import read_jsonl, write_jsonl
from engine.data.formats.pubtator import read_pubtator, write_pubtator
from engine.errors import FormatError, InputError, first_line
from engine.text.documents import Document

__all__ = [
    "WRITERS",
    "OnError",
    "Writer",
    "read_bioc",
    "read_conll",
    "read_dataset",
    "read_documents",
    "read_jsonl",
    "read_pubtator",
    "write_bioc",
    "write_conll",
    "write_jsonl",
    "write_pubtator",
]


@dataclass(frozen=True)
class Writer:
    """How documents of a format are written: ``head``, each document, ``foot``; ``suffix`` of the file's name."""

    suffix: str
    document: Callable[[Document], str]
    head: str = ""
    foot: str = ""


WRITERS = {
    "pubtator": Writer(".pubtator", write_pubtator),
    "bioc": Writer(".xml", write_bioc, BIOC_HEAD, BIOC_FOOT),
    "conll": Writer(".conll", write_conll),
    "jsonl": Writer(".jsonl", write_jsonl),
}

_SUFFIXES = {
    ".xml": "bioc",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".jsonl": "jsonl",
    ".pubtator": "pubtator",
}
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
    path = Path(path)
    zipped = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if zipped else path.open("rb") as file:
            head = [file.readline(_PIECE) for _ in range(_PEEK)]
            suffix = path.with_suffix("").suffix if zipped else path.suffix
            kind = _SUFFIXES.get(suffix.lower()) or _recognise(head)
            if kind == "bioc":
                yield from read_bioc(chain(head, iter(lambda: file.read(_PIECE), b"")), str(path), on_error)
            elif kind == "plain":
                read = _read_lines if lines_are_texts else _read_plain
                yield from read(b"".join([*head, file.read()]), path, on_error)
            else:
                reader = {"conll": read_conll, "jsonl": read_jsonl, "pubtator": read_pubtator}[kind]
                yield from reader(_lines(head, file), str(path), on_error)
    except (OSError, EOFError, zlib.error) as error:
        problem = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"expected a readable file, got {path}: {problem}; check the path") from error


def _recognise(head: list[bytes]) -> str:
    lines = [head[0].removeprefix(codecs.BOM_UTF8), *head[1:]]
    start = b"".join(lines).lstrip()
    if start.startswith(b"<") and b"<collection" in start:
        return "bioc"
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


def _read_plain(raw: bytes, path: Path, on_error: OnError) -> Iterator[Document]:
    try:
        yield Document(path.stem, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        on_error(FormatError(str(path), line, path.stem, encoding_problem(error)))


def _read_lines(raw: bytes, path: Path, on_error: OnError) -> Iterator[Document]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        try:
            text = decoded(line, str(path), number, None)
        except FormatError as error:
            on_error(error)
        else:
            if text.strip():
                yield Document(str(number), text)
