"""Made-up PubMed files.

They include every kind of record: labelled sections, inline markup, no abstract, only a title in another language,
several versions; and deleted citations.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" '
    '"http://localhost:9/pubmed.dtd">\n<PubmedArticleSet>\n'
)
FOOT = "</PubmedArticleSet>\n"

_DRUGS = ["aspirin", "lithium", "5-fluorouracil", "(R)-warfarin", "sodium valproate"]
_DISEASES = ["nausea", "renal failure", "type 2 diabetes", "Sjögren's syndrome", "seizures"]
_SENTENCES = [
    "We gave {drug} to {count} patients with {disease}.",
    "After {count} days of {drug}, {disease} had resolved in most of them.",
    "No {disease} was seen & the dose stayed < {count} mg.",
    "{drug} levels above {count} µmol/l went with {disease}.",
]
_LABELS = ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]


def record(number: int, chance: random.Random, version: int = 1) -> str:
    """A ``<PubmedArticle>``; ``number`` is the PMID."""

    def sentence() -> str:
        filled = chance.choice(_SENTENCES).format(
            drug=chance.choice(_DRUGS), disease=chance.choice(_DISEASES), count=chance.randrange(2, 900)
        )
        words = escape(filled).split(" ")
        if chance.random() < 0.2:
            at = chance.randrange(len(words))
            words[at] = f"<i>{words[at]}</i><sup>{chance.randrange(9)}</sup>"
        return " ".join(words)

    title = sentence()
    kind = chance.random()
    abstract = ""
    if kind < 0.5:
        abstract = f"<AbstractText>{' '.join(sentence() for _ in range(chance.randrange(1, 8)))}</AbstractText>"
    elif kind < 0.8:
        abstract = "".join(
            f'<AbstractText Label="{label}" NlmCategory="{label}">{sentence()}\n  {sentence()}</AbstractText>'
            for label in _LABELS
        )
    title = f"<ArticleTitle>{title}</ArticleTitle>"
    if kind > 0.95:
        title = "<ArticleTitle>[Not Available].</ArticleTitle><VernacularTitle>Übelkeit nach Aspirin.</VernacularTitle>"
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="{version}">{number}</PMID><Article>{title}'
        + (f"<Abstract>{abstract}<CopyrightInformation>Ours.</CopyrightInformation></Abstract>" if abstract else "")
        + "</Article><CommentsCorrectionsList><CommentsCorrections><PMID>1</PMID></CommentsCorrections>"
        '</CommentsCorrectionsList></MedlineCitation><PubmedData><ArticleIdList><ArticleId IdType="pubmed">'
        f"{number}</ArticleId></ArticleIdList></PubmedData></PubmedArticle>\n"
    )


def content(first: int, records: int, seed: int) -> Iterator[str]:
    """A file of records with PMIDs from ``first``, one of them in two versions, and three deletions."""
    chance = random.Random(seed)
    yield HEAD
    for number in range(first, first + records - 1):
        yield record(number, chance)
    yield record(first, chance, version=2)
    yield (
        "<DeleteCitation>" + "".join(f'<PMID Version="1">{first - k}</PMID>' for k in (1, 2, 3)) + "</DeleteCitation>\n"
    )
    yield FOOT


def write_folder(folder: Path, files: int, records: int) -> list[Path]:
    """Writes gzipped files of ``records`` each, with distinct PMIDs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"pubmed99n{number:04}.xml.gz" for number in range(1, files + 1)]
    for number, path in enumerate(paths, start=1):
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            file.writelines(content(number * 1_000_000, records, seed=number))
    return paths
