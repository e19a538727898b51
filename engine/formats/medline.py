"""MEDLINE, as PubMed saves it (``.nbib``): lines ``TAG - VALUE``, a blank line between records; only read.

The text is the title, a blank and the abstract, if there is one.
"""

import re
from collections.abc import Iterator

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document

_FIELD = re.compile(r"([A-Z]{2,4}) *- ?(.*)")
_RECORD = re.compile(rb"PMID *- ?\d")
_TITLES = ("TI", "BTI", "TT")  # of an article, a book, or in another language


def _records(source: Source) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    return ((block[0][0], block) for block in source.blocks(lambda line: _RECORD.match(line) is not None))


def _document(block: list[tuple[int, bytes]], place: Place) -> Document:
    fields: dict[str, str] = {}
    tag = ""
    for place.line, raw in block:
        line = place.decode(raw).rstrip()
        if match := _FIELD.match(line):
            tag, value = match[1], match[2]
            fields[tag] = f"{fields[tag]} {value}" if tag in fields else value
        elif line.strip():  # a value goes on
            fields[tag] = f"{fields.get(tag, '')} {line.strip()}"
    identifier = fields.get("PMID", "").strip()
    if not identifier.isdecimal():
        raise place.error("The record does not begin with PMID and a number.")
    place.document = identifier
    title = next((fields[tag] for tag in _TITLES if tag in fields), "")
    abstract = fields.get("AB", "")
    return Document(identifier, f"{title} {abstract}" if abstract else title, title_end=len(title))


MEDLINE = Format("medline", (".nbib",), lambda head: _RECORD.match(head) is not None, _records, _document)
