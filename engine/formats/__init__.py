"""Reads and writes documents: a file per format, which defines one `Format`, and `reading`, which lists them."""

from engine.formats.base import Format
from engine.formats.checks import Ids
from engine.formats.reading import (
    FORMATS,
    SUFFIXES,
    WRITERS,
    lines_as_one,
    read_documents,
    read_source,
    read_texts,
    recognise_format,
)

__all__ = ["FORMATS", "SUFFIXES", "WRITERS", "Format", "Ids"]
__all__ += ["lines_as_one", "read_documents", "read_source", "read_texts", "recognise_format"]
