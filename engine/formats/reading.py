"""The formats, and how a file is read in that which it has.

Readers stream. A broken document is left out, with an error that names it. A file whose name ends in ``.gz`` is
unpacked, and the suffix before ``.gz`` counts.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, Any

from engine.errors import FormatError, InputError
from engine.formats.base import Format, OnDeleted, Source, readable
from engine.formats.bioc import BIOC
from engine.formats.bioc_json import BIOC_JSON
from engine.formats.checks import Ids, OnError, Place, make_documents, raise_error, split_suffix
from engine.formats.conll import CONLL
from engine.formats.jsonl import JSONL
from engine.formats.medline import MEDLINE
from engine.formats.plain import PLAIN
from engine.formats.pubmed import PUBMED
from engine.formats.pubtator import PUBTATOR
from engine.formats.tables import TABLE
from engine.text.documents import Document
from engine.text.words import split_words

logger = logging.getLogger(__name__)

# Candidates are the formats with the file's suffix, or all of them if none has it. The first candidate that recognises
# the content is used, or else the last candidate.
FORMATS = (PUBMED, BIOC, BIOC_JSON, MEDLINE, PUBTATOR, JSONL, CONLL, TABLE, PLAIN)
WRITERS = {format_.name: format_ for format_ in FORMATS if format_.written}
CONVERTED = dict.fromkeys((".xlsx", ".xls", ".ods"), "CSV (UTF-8)")  # suffix → what to save such a file as
CONVERTED |= dict.fromkeys((".docx", ".doc", ".odt", ".rtf", ".pdf"), "plain text (UTF-8)")
SUFFIXES = frozenset(suffix for format_ in FORMATS for suffix in format_.suffixes)


def read_documents(
    path: str | Path,
    on_error: OnError = raise_error,
    *,
    lines_are_texts: bool = False,
    ids: Ids | None = None,
    on_deleted: OnDeleted | None = None,
    on_read: Callable[[int], object] | None = None,
) -> Iterator[Document]:
    """Yields the documents of a file.

    Args:
        path: a file in UTF-8 (XML: in its declared encoding), or ``"-"`` for standard input, or a pipe.
        on_error: called with the error of each broken document, which is then left out; the default raises it.
        lines_are_texts, ids, on_deleted: see `Source`.
        on_read: called with the number of bytes read since its last call; not for pipes.

    Raises an `InputError` if the file cannot be read and, with the default ``on_error``, a `FormatError` for a broken
    document.
    """
    with _open(path) as file:
        name = "stdin" if path == "-" else str(path)
        source = Source(file, name, Ids() if ids is None else ids, on_deleted, lines_are_texts)
        position = 0
        for document in chain(read_source(source, on_error), [None]):
            if on_read:
                on_read(file.tell() - position)
                position = file.tell()
            if document:
                yield document


def read_texts(files: Iterable[str | Path], *, lines: bool = False) -> list[str]:
    """Returns the distinct texts of files in order, skipping texts without a word.

    ``lines``: whether each line of plain text is a text; otherwise a file is one.

    Raises an `InputError` if a file cannot be read, is malformed, or contains no text.
    """
    texts: dict[str, None] = {}
    for file in files:
        documents = list(read_documents(file, lines_are_texts=lines))
        new = [document.text for document in documents if split_words(document.text)]
        if not new:
            raise InputError(f"No text in {file} has a word. Choose another file.")
        texts |= dict.fromkeys(new)
    if len(texts) == 1 and (understood := lines_as_one(file, documents[0])):
        logger.warning(understood)
    return list(texts)


def lines_as_one(file: str | Path, document: Document) -> str:
    """Says that several lines of plain text were read as one document; empty if they were not."""
    stem, suffix = split_suffix(str(file))  # plain text has the file's name as its id
    plain = suffix in ("", ".txt") and document.id in (Path(stem).name, "stdin")
    lines = document.text.strip().count("\n") + 1
    return f"{file} is read as one text of {lines} lines; with --lines each line is one." if plain and lines > 1 else ""


def read_source(source: Source, on_error: OnError = raise_error) -> Iterator[Document]:
    """Yields the documents of an open file; see `read_documents`."""
    format_ = recognise_format(source)
    yield from make_documents(_records(format_, source, on_error), format_.document, on_error)


def recognise_format(source: Source) -> Format:
    """The format that an open file will be read in; raises an `InputError` for one of an office program."""
    if other := CONVERTED.get(source.suffix):
        raise InputError(f"{source.name} cannot be read as it is. Save it as {other}.")
    candidates = [format_ for format_ in FORMATS if source.suffix in format_.suffixes] or FORMATS
    return next((format_ for format_ in candidates if format_.sniff(source.head)), candidates[-1])


def _records(format_: Format, source: Source, on_error: OnError) -> Iterator[tuple[Place, Any]]:
    """Yields place and content of each record; an exception while a file is split becomes an error that ends it."""
    try:
        for line, content in format_.records(source):
            yield source.place(line), content
        return
    except FormatError as error:
        last = error
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # one file must not stop the others
        last = source.place(source.line).unexpected(error)
    ending = FormatError(
        last.file, last.line, last.document, f"{last.problem.rstrip('.')}; nothing after this place was read."
    )
    ending.ends_file = True
    on_error(ending)


def _open(path: str | Path) -> AbstractContextManager[IO[bytes]]:
    with readable(path):
        return nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb")
