"""F1 of predictions against gold: exact spans, by type, and seqeval strict IOB2 on words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from engine.documents import Document, Entity
from engine.scoring import Counts, count_documents
from engine.words import LabelSet, split_words


@dataclass(frozen=True)
class Scores:
    """F1 and company, 0–1, of one set of predictions.

    ``by_document``: counts of each document over all scored types; ``by_type``: counts of each scored type;
    ``seqeval``: strict IOB2 F1 on words; ``unscored``: predictions of types that are not scored.
    """

    by_document: tuple[Counts, ...]
    by_type: dict[str, Counts]
    seqeval: float
    unscored: int

    @property
    def total(self) -> Counts:
        """Micro-average: all documents, all scored types."""
        return sum(self.by_document, Counts())


def score(documents: Sequence[Document], predictions: Sequence[Sequence[Entity]], types: Sequence[str]) -> Scores:
    """Scores predictions, one sequence of entities for each document, over the given types."""
    pairs = list(zip(documents, predictions, strict=True))
    return Scores(
        by_document=tuple(count_documents(documents, predictions, types)),
        by_type={type_: sum(count_documents(documents, predictions, [type_]), Counts()) for type_ in types},
        seqeval=_seqeval_f1(pairs, types),
        unscored=sum(entity.type not in types for _, found in pairs for entity in found),
    )


def _seqeval_f1(pairs: Sequence[tuple[Document, Sequence[Entity]]], types: Sequence[str]) -> float:
    labels = LabelSet(types)
    gold, predicted = [], []
    for document, found in pairs:
        words = split_words(document.text)
        gold.append([labels.names[label] for label in labels.encode(words, document.entities)])
        predicted.append([labels.names[label] for label in labels.encode(words, found)])
    if not any(label != "O" for sentence in gold for label in sentence):
        return 0.0
    return float(f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0))
