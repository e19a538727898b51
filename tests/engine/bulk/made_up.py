"""Made-up PubMed files, with records in several versions and deleted citations."""

import gzip
from collections.abc import Iterator
from pathlib import Path

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" '
    '"http://localhost:9/pubmed.dtd">\n<PubmedArticleSet>\n'
)
FOOT = "</PubmedArticleSet>\n"

_FOUND = ["aspirin and nausea", "5-fluorouracil and renal failure", "(R)-warfarin and Sjögren's syndrome"]


def record(number: int, version: int = 1) -> str:
    """A ``<PubmedArticle>`` of one to eleven sentences; ``number`` is the PMID."""
    title, *abstract = (f"Patient {i} had {_FOUND[(number + i) % 3]}." for i in range(1 + number % 11))
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="{version}">{number}</PMID>'
        f"<Article><ArticleTitle>{title}</ArticleTitle>"
        f"<Abstract><AbstractText>{' '.join(abstract)}</AbstractText></Abstract></Article>"
        "<CommentsCorrectionsList><CommentsCorrections><PMID>1</PMID></CommentsCorrections></CommentsCorrectionsList>"
        "</MedlineCitation></PubmedArticle>\n"
    )


def content(first: int, records: int) -> Iterator[str]:
    """A file of records with PMIDs from ``first``, one of them in two versions, and three deletions."""
    yield HEAD
    yield from map(record, range(first, first + records - 1))
    yield record(first, version=2)
    yield (
        "<DeleteCitation>" + "".join(f'<PMID Version="1">{first - k}</PMID>' for k in (1, 2, 3)) + "</DeleteCitation>\n"
    )
    yield FOOT


def write_folder(folder: Path, files: int, records: int) -> None:
    """Writes gzipped files of ``records`` each, with distinct PMIDs."""
    folder.mkdir(exist_ok=True)
    for number in range(1, files + 1):
        with gzip.open(folder / f"pubmed99n{number:04}.xml.gz", "wt", encoding="utf-8") as file:
            file.writelines(content(number * 1_000_000, records))
