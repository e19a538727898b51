"""F1 of predictions against gold: exact spans, by type, and seqeval strict IOB2 on words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqeval.scheme import IOB2, Entities

from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_matches
from engine.text.words import split_words


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions.

    ``by_document``: counts of each document over all scored types; ``by_type``: counts of each scored type;
    ``seqeval``: strict IOB2 F1 on words, 0–1; ``unscored``: predictions of types that are not scored.
    """

    by_document: tuple[Counts, ...]
    by_type: dict[str, Counts]
    seqeval: float
    unscored: int

    @property
    def total(self) -> Counts:
        """Micro-average over all documents and scored types."""
        return Counts.total(self.by_document)


class Tally:
    """Scores predictions over the given types, document by document; keeps only counts."""

    def __init__(self, types: Sequence[str]) -> None:
        self._labels = LabelSet(types)
        self._by_document: list[Counts] = []
        self._by_type = dict.fromkeys(types, Counts())
        self._words = Counts()
        self._unscored = 0

    def add(self, document: Document, found: Sequence[Entity]) -> None:
        """Counts the TP, predictions and gold mentions of a document."""
        types = self._labels.types
        self._by_document.append(count_matches(document.entities, found, types))
        for type_ in types:
            self._by_type[type_] += count_matches(document.entities, found, [type_])
        words = split_words(document.text)
        labelled = [
            [self._labels.names[label] for label in self._labels.encode(words, entities)]
            for entities in (document.entities, found)
        ]
        gold, predicted = (_spans(labels) for labels in labelled)
        self._words += Counts(len(gold & predicted), len(predicted), len(gold))
        self._unscored += sum(entity.type not in types for entity in found)

    def scores(self) -> Scores:
        """The scores of all documents so far."""
        return Scores(tuple(self._by_document), dict(self._by_type), self._words.f1, self._unscored)


def _spans(labels: list[str]) -> set[tuple[int, int, str]]:
    """Spans of words as seqeval reads them, strict."""
    return {(entity.start, entity.end, entity.tag) for entity in Entities([labels], scheme=IOB2).entities[0]}
