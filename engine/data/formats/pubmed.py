"""PubMed XML, as the baseline, the update files and E-utilities write it: records of a ``<PubmedArticleSet>``.

Read with expat, which streams, knows line numbers and fetches nothing: external DTDs are not read, entity declarations
are refused. One record at a time is held in memory, as a tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from xml.etree.ElementTree import Element, TreeBuilder

from engine.data.formats.common import Ids, Item, OnError, attempt, fail, reader
from engine.data.formats.xml import each_finished, expat_parser, parse
from engine.errors import FormatError, quoted
from engine.text.documents import Document

MAX_RECORD = 50_000_000  # bytes; the longest records of PubMed, with thousands of authors, have a few million
_CITATIONS = {"PubmedArticle": "MedlineCitation", "PubmedBookArticle": "BookDocument"}
_DELETIONS = ("DeleteCitation", "DeleteDocument")
_NO_TITLE = "[Not Available]."  # marks a record without an English title
_NO_LABEL = "UNLABELLED"
_BLANKS = re.compile(r"[ \t\r\n]+")

OnDeleted = Callable[[str, int], None]


def ignore(identifier: str, version: int) -> None:
    """The default of ``on_deleted``."""


class _Records:
    """Parser handlers that collect finished children of the root, with their lines, in ``finished``."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.finished: list[tuple[int, Element, str | None]] = []
        self.parser = expat_parser(self.error)
        self.parser.StartElementHandler = self._root
        self.record: Element | None = None

    def feed(self, chunk: bytes, last: bool) -> None:
        """Parses the next chunk.

        Raises:
            FormatError: not well-formed, not PubMed, an entity declaration, or a record without end.
        """
        parse(self.parser, chunk, last, self.error, "fetch the file again")
        if self.record is not None and self.parser.CurrentByteIndex - self.begin > MAX_RECORD:
            problem = f"expected a record of at most {MAX_RECORD:,} bytes, got a longer one; fix the file"
            raise FormatError(self.file, self.line, None, problem)

    def error(self, problem: str) -> FormatError:
        """An error at the current place."""
        return FormatError(self.file, self.parser.CurrentLineNumber, None, problem)

    def _root(self, name: str, _: dict[str, str]) -> None:
        if name != "PubmedArticleSet":
            problem = f"expected PubMed, whose root is <PubmedArticleSet>, got <{name[:60]}>; convert the file"
            raise self.error(problem)
        self._between()

    def _between(self) -> None:
        self.record = None
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self.parser.CharacterDataHandler = self.parser.SkippedEntityHandler = None

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self.line, self.begin = self.parser.CurrentLineNumber, self.parser.CurrentByteIndex
        self.unknown: str | None = None
        self.tree = TreeBuilder()
        self.record = self.tree.start(name, attributes)
        # From here to the record's end expat calls the tree itself.
        self.parser.StartElementHandler, self.parser.CharacterDataHandler = self.tree.start, self.tree.data
        self.parser.EndElementHandler, self.parser.SkippedEntityHandler = self._end, self._skipped

    def _end(self, name: str) -> None:
        ended = self.tree.end(name)
        if ended is self.record:
            self.finished.append((self.line, ended, self.unknown))
            self._between()

    def _skipped(self, name: str, _: bool) -> None:
        self.unknown = name


def read_pubmed(
    pieces: Iterable[bytes],
    file: str = "<input>",
    on_error: OnError = fail,
    ids: Ids | None = None,
    on_deleted: OnDeleted = ignore,
) -> Iterator[Document]:
    """Documents of PubMed XML: title, a blank, abstract. The id is the PMID.

    Each section of the abstract begins with its label and a colon, a blank separates two; inline markup is dropped, its
    text kept. A record without an English title gets the one in its own language; without an abstract, the text is the
    title. Abstracts in other languages (``OtherAbstract``) are not read.

    Args:
        pieces: the file in pieces of any size; a document is yielded as soon as its end is read.
        file: a name for messages.
        on_error: see `engine.data.formats.read_documents`.
        ids: those already taken; versions of a record count as different.
        on_deleted: called with the PMID and the version of each citation that the file deletes.
    """
    return reader(partial(_items, on_deleted))(pieces, file, on_error, ids)


def _items(on_deleted: OnDeleted, pieces: Iterable[bytes], file: str, ids: Ids) -> Iterator[Item]:
    records = _Records(file)
    for line, record, unknown in each_finished(pieces, records.feed, records.finished):
        if record.tag in _DELETIONS:
            for pmid in record.iter("PMID"):
                on_deleted(_text(pmid), _version(pmid))
        else:
            yield attempt(partial(_document, record, unknown, file, line), ids, file, line)


def _document(record: Element, unknown: str | None, file: str, line: int) -> Document:
    if record.tag not in _CITATIONS:
        problem = f"expected a record, {' or '.join(_CITATIONS)}, got <{record.tag[:60]}>; remove it"
        raise FormatError(file, line, None, problem)
    citation = record.find(_CITATIONS[record.tag])
    pmid = None if citation is None else citation.find("PMID")
    identifier = _text(pmid)
    if citation is None or pmid is None or not (identifier.isascii() and identifier.isdecimal()):
        problem = f"expected a record with a <PMID>, a number, got {quoted(identifier)}; add it"
        raise FormatError(file, line, None, problem)
    if unknown is not None:
        problem = f"expected characters, got the entity {quoted(unknown)}, whose meaning is not in the file; write them"
        raise FormatError(file, line, identifier, problem)
    article = citation.find("Article")
    article = citation if article is None else article  # for a book, the citation itself
    title, abstract = _title(article), _abstract(article)
    text = f"{title} {abstract}" if abstract else title
    return Document(identifier, text, title_end=len(title), version=_version(pmid))


def _version(pmid: Element) -> int:
    value = pmid.get("Version", "1")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else 1


def _title(article: Element) -> str:
    titles = [_text(article.find(path)) for path in ("ArticleTitle", "VernacularTitle", "Book/BookTitle")]
    return next((title for title in titles if title not in ("", _NO_TITLE)), titles[0])


def _abstract(article: Element) -> str:
    sections = []
    for section in article.iterfind("Abstract/AbstractText"):
        label, text = section.get("Label", "").strip(), _text(section)
        sections.append(f"{label}: {text}" if label and label.upper() != _NO_LABEL and text else text)
    return " ".join(filter(None, sections))


def _text(element: Element | None) -> str:
    """The text of an element and what it holds, without markup; runs of blanks become one space."""
    return "" if element is None else _BLANKS.sub(" ", "".join(element.itertext())).strip(" ")
