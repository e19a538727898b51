"""PubMed XML: records of a ``<PubmedArticleSet>``, as in the baseline, the update files and E-utilities.

The text is the title, a blank and the sections of the abstract, if there is one. Versions of a record are different
documents.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from engine.errors import quoted
from engine.formats.base import Format, Source
from engine.formats.checks import Place, whole_number
from engine.text.documents import Document

_ROOT = "PubmedArticleSet"
_CITATIONS = {"PubmedArticle": "MedlineCitation", "PubmedBookArticle": "BookDocument"}
_DELETIONS = ("DeleteCitation", "DeleteDocument")
_NO_TITLE = "[Not Available]."  # marks a record without an English title
_NO_LABEL = "UNLABELLED"
_BLANKS = re.compile(r"[ \t\r\n]+")


def _records(source: Source) -> Iterator[tuple[int, Element]]:
    for line, record in source.elements(_ROOT):
        if record.tag not in _DELETIONS:
            yield line, record
        elif source.on_deleted:
            for pmid in record.iter("PMID"):
                source.on_deleted(_text(pmid), _version(pmid))


def _document(record: Element, place: Place) -> Document:
    if record.tag not in _CITATIONS:
        raise place.error(f"<{record.tag[:60]}> is no record, which are {' and '.join(_CITATIONS)}. Remove it.")
    citation = record.find(_CITATIONS[record.tag])
    pmid = None if citation is None else citation.find("PMID")
    identifier = _text(pmid)
    if citation is None or pmid is None or not (identifier.isascii() and identifier.isdecimal()):
        raise place.error(f"A record needs a number as <PMID>, not {quoted(identifier)}.")
    place.document = identifier
    article = citation.find("Article")
    article = citation if article is None else article  # for a book, the citation itself
    title, abstract = _title(article), _abstract(article)
    text = f"{title} {abstract}" if abstract else title
    return Document(identifier, text, title_end=len(title), version=_version(pmid))


def _version(pmid: Element) -> int:
    version = whole_number(pmid.get("Version"))
    return 1 if version is None else version


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
    """Returns the text of an element without markup; runs of blanks become one space."""
    return "" if element is None else _BLANKS.sub(" ", "".join(element.itertext())).strip(" ")


PUBMED = Format(
    "pubmed", (".xml",), lambda head: head.startswith(b"<") and f"<{_ROOT}".encode() in head, _records, _document
)
