"""Reading and writing documents: each module is a format, exports one `Format` and has one line in ``FORMATS``.

Readers stream; errors name the broken document, which is left out. A name that ends in ``.gz`` means a gzipped file;
the suffix before it counts. A suffix that belongs to one format means that format; otherwise the content decides.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from engine.data.formats.base import Format, not_written
from engine.data.formats.bioc import BIOC
from engine.data.formats.bioc_json import BIOC_JSON
from engine.data.formats.conll import CONLL
from engine.data.formats.jsonl import JSONL
from engine.data.formats.parquet import PARQUET
from engine.data.formats.plain import LINES, PLAIN
from engine.data.formats.pubmed import PUBMED
from engine.data.formats.pubtator import PUBTATOR
from engine.data.reading.checks import Ids, Item, OnError, accepted, fail, unreadable
from engine.data.reading.source import COLUMNS, OnDeleted, Source, ignore, readable
from engine.errors import FormatError, InputError
from engine.text.documents import Document

# The first that knows a file's suffix, if any does, and recognises its content; else the last that knows the suffix.
FORMATS = (
    PARQUET,
    PUBMED,
    BIOC,
    BIOC_JSON,
    PUBTATOR,
    JSONL,
    CONLL,
    PLAIN,
)
WRITERS = {format_.name: format_ for format_ in FORMATS if format_.write is not not_written}
SUFFIXES = frozenset(suffix for format_ in FORMATS for suffix in format_.suffixes)

__all__ = [
    "COLUMNS",
    "FORMATS",
    "SUFFIXES",
    "WRITERS",
    "Format",
    "Ids",
    "OnDeleted",
    "OnError",
    "format_of",
    "read_documents",
    "read_stream",
]


def read_documents(
    path: str | Path, on_error: OnError = fail, *, lines_are_texts: bool = False, ids: Ids | None = None
) -> Iterator[Document]:
    """Documents of a file, one by one.

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
        name = "stdin" if path == "-" else str(path)
        yield from read_stream(file, name, on_error, lines_are_texts=lines_are_texts, ids=ids)


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
        file: open in binary mode, closed by the caller.
        name: path or URL; its suffix counts.
        on_error: see `read_documents`.
        lines_are_texts: see `read_documents`.
        ids: see `read_documents`.
        columns: of Parquet: those of the ids and of the texts.
        on_deleted: of PubMed: called with the PMID and version of each citation that the file deletes.
    """
    source = Source(file, name, ids, columns, on_deleted)
    format_ = _recognised(source)
    yield from accepted(_items(LINES if format_ is PLAIN and lines_are_texts else format_, source), on_error)


def format_of(path: str | Path) -> Format:
    """The format in which a file will be read.

    Raises:
        InputError: if the file cannot be read.
    """
    with _opened(path) as file:
        return _recognised(Source(file, str(path)))


def _recognised(source: Source) -> Format:
    candidates = [format_ for format_ in FORMATS if source.suffix in format_.suffixes] or FORMATS
    return next((one for one in candidates if one.sniff(source.head)), candidates[-1])


def _items(format_: Format, source: Source) -> Iterator[Item]:
    """What a format reads; what it raises becomes the error that ends the file."""
    try:
        yield from format_.read(source)
    except FormatError as error:
        yield _last(error)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the other files are read
        yield _last(source.place(source.line).error(unreadable(error)))


def _last(error: FormatError) -> FormatError:
    problem = f"{error.problem}; nothing after this place was read"
    last = FormatError(error.file, error.line, error.document, problem)
    last.ends_file = True
    return last


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
