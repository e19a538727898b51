"""Reading and writing documents, one module for each format. Readers stream; errors name the broken document.

| format | suffix | recognised from the content by |
| --- | --- | --- |
| BioC XML | ``.xml`` | ``<`` as the first character and ``<collection`` soon after |
| CoNLL, IOB2 tags | ``.conll``, ``.iob``, ``.iob2`` | ``-DOCSTART-`` or ``token<TAB>tag`` in most of the first lines |
| JSON lines | ``.jsonl`` | ``{`` as the first character |
| PubTator | ``.pubtator`` | ``ID|t|``, ``ID|a|`` or an annotation in most of the first lines |
| plain text | – | anything else: one document, or one a line |

A name that ends in ``.gz`` is that of a gzipped file; the suffix before it counts.
"""

from __future__ import annotations

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from math import inf
from pathlib import Path
from typing import Protocol

from engine.data.formats.bioc import BIOC_FOOT, BIOC_HEAD, read_bioc, write_bioc
from engine.data.formats.common import Ids, Item, OnError, Reader, attempt, decoded, encoding_problem, fail, reader
from engine.data.formats.conll import read_conll, write_conll
from engine.data.formats.datasets import read_dataset
from engine.data.formats.jsonl import read_jsonl, write_jsonl
from engine.data.formats.pubtator import read_pubtator, write_pubtator
from engine.errors import FormatError, InputError, first_line
from engine.text.documents import Document

__all__ = [
    "WRITERS",
    "Ids",
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
_UNPACKED, _UNPACKED_RATIO = 10_000_000, 50  # bytes of any gzipped file, and more for each packed byte; text has 3–10
_PIECE = 1 << 16  # bytes; a file without line breaks is read in pieces


def read_documents(
    path: str | Path, on_error: OnError = fail, *, lines_are_texts: bool = False, ids: Ids | None = None
) -> Iterator[Document]:
    """Documents of a file, one by one. The suffix decides on the format, else the content (see the module).

    Args:
        path: the file, UTF-8 (XML: as declared), or ``"-"``, standard input; it is read once, so a pipe works.
        on_error: called with each broken document, which is then left out; the default raises.
        lines_are_texts: plain text is one document a line, its id the line's number, instead of one document.
        ids: those of the documents of other files that are read with this one: all have to differ.

    Raises:
        InputError: if the file cannot be read.
        FormatError: for a broken document, with the default ``on_error``.
    """
    name = Path("stdin" if path == "-" else path)
    pieces = _pieces(path)
    head = list(islice(pieces, _PEEK))
    suffix = name.with_suffix("").suffix if _zipped(name) else name.suffix
    kind = _SUFFIXES.get(suffix.lower()) or _recognise(head)
    if kind == "plain" and lines_are_texts:
        kind = "lines"
    pieces = chain(head, pieces)
    yield from _READERS[kind](pieces if kind in _IN_PIECES else _lines(pieces), str(name), on_error, ids)


def _pieces(path: str | Path) -> Iterator[bytes]:
    """A file line by line; lines that are long in several pieces."""
    try:
        most, size = _most_bytes(path), 0
        with _opened(path) as file:
            for piece in iter(lambda: file.readline(_PIECE), b""):
                size += len(piece)
                if size > most:
                    raise InputError(f"expected at most {most:,} bytes in {path}, got more; unpack the file first")
                yield piece
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: a path that no file can have
        problem = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"expected a readable file, got {path}: {problem}; check the path") from error


def _most_bytes(path: str | Path) -> float:
    """The bytes that a file may hold: a small gzipped one must not fill the memory."""
    if path != "-" and _zipped(Path(path)) and Path(path).is_file():
        return _UNPACKED + _UNPACKED_RATIO * Path(path).stat().st_size
    return inf


class _Lines(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def _opened(path: str | Path) -> AbstractContextManager[_Lines]:
    if path == "-":
        if sys.stdin is None:
            raise OSError("standard input is closed")
        return nullcontext(sys.stdin.buffer)
    path = Path(path)
    return gzip.open(path) if _zipped(path) else path.open("rb")


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _recognise(head: list[bytes]) -> str:
    lines = b"".join(head).removeprefix(codecs.BOM_UTF8).split(b"\n")
    start = b"".join(lines).lstrip()
    if start.startswith(b"<") and b"<collection" in start:
        return "bioc"
    filled = [line for line in lines if line.strip()]

    def mostly(pattern: re.Pattern[bytes]) -> bool:
        return 2 * sum(pattern.match(line) is not None for line in filled) > len(filled)

    if mostly(_PUBTATOR_LINE):
        return "pubtator"
    if start.startswith(b"{"):
        return "jsonl"
    return "conll" if mostly(_CONLL_LINE) else "plain"


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines of a file in pieces of lines."""
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
    "conll": read_conll,
    "jsonl": read_jsonl,
    "lines": _read_lines,
    "plain": _read_plain,
    "pubtator": read_pubtator,
}
_IN_PIECES = ("bioc", "plain")  # the others take whole lines
