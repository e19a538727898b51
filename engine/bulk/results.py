"""Writes one result under a temporary name, renamed when it is complete."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine import Document
from engine.data.formats import WRITERS
from engine.data.formats.parquet import EntityTable

PARQUET = "parquet"
FORMATS = (*WRITERS, PARQUET)
PART = ".part"
RECORD = ".json"  # of a finished unit's record


def suffix_of(format_: str) -> str:
    """The suffix of a result's name."""
    return ".parquet" if format_ == PARQUET else WRITERS[format_].suffix


def write_result(path: Path, format_: str, documents: Iterable[Document]) -> str:
    """Writes documents as they come.

    Returns:
        The SHA-256 of the file.

    Raises:
        OSError: the file cannot be written.
    """
    with complete(path) as file:
        if format_ == PARQUET:
            with EntityTable(file) as table:
                for document in documents:
                    table.write(document)
        else:
            for piece in WRITERS[format_].write(documents):
                file.write(piece.encode("utf-8", "replace"))
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


@contextmanager
def complete(path: Path) -> Iterator[IO[bytes]]:
    """A file that is on disk as a whole or not at all, whatever crashes meanwhile.

    Two processes may write it at the same time; each has its own temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
