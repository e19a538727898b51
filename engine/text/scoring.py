"""Exact-span scoring: micro-averaged precision, recall and F1 over (document, start, end, type)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from engine.text.documents import Document, Entity


@dataclass(frozen=True)
class Counts:
    """Numbers of exact matches, predictions and gold mentions; can be added over documents."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)

    @classmethod
    def total(cls, counts: Iterable["Counts"]) -> Self:
        """Adds the counts of many documents, faster than one at a time."""
        rows = [(document.correct, document.predicted, document.gold) for document in counts]
        return cls(*map(sum, zip(*rows, strict=True))) if rows else cls()

    @property
    def precision(self) -> float:
        """Precision, 0–1; 0 without predictions."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Recall, 0–1; 0 without gold mentions."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """F1, 0–1; 0 without matches."""
        return 2 * self.correct / (self.predicted + self.gold) if self.correct else 0.0


def count_matches(gold: Iterable[Entity], predicted: Iterable[Entity], types: Iterable[str]) -> Counts:
    """Counts one document's matches, predictions and gold mentions of these types, without duplicates."""
    wanted = set(types)
    gold_keys = {entity.key for entity in gold if entity.type in wanted}
    predicted_keys = {entity.key for entity in predicted if entity.type in wanted}
    return Counts(len(gold_keys & predicted_keys), len(predicted_keys), len(gold_keys))


def count_documents(
    documents: Sequence[Document], predictions: Sequence[Iterable[Entity]], types: Iterable[str]
) -> list[Counts]:
    """Counts the matches of each document; ``predictions`` holds the entities found in each."""
    pairs = zip(documents, predictions, strict=True)
    return [count_matches(document.entities, entities, types) for document, entities in pairs]


def perfect(counts: Sequence[Counts]) -> list[Counts]:
    """The counts of a system that finds exactly the gold mentions."""
    return [Counts(document.gold, document.gold, document.gold) for document in counts]


def f1_difference_error(counts: Sequence[Counts], reference: Sequence[Counts]) -> float:
    """Standard error, 0–1, of F1 minus the reference's F1 over the same documents, by the delta method.

    F1 is the ratio 2·correct ÷ (predicted + gold), to which each document contributes. The error is infinite for a
    single document, or if either side has no mentions.
    """
    if len(counts) < 2 or not all(any(c.predicted + c.gold for c in runs) for runs in (counts, reference)):
        return math.inf

    def influence(runs: Sequence[Counts]) -> np.ndarray:
        correct, size = np.array([(2 * c.correct, c.predicted + c.gold) for c in runs], dtype=float).T
        return (correct - size * correct.sum() / size.sum()) / size.sum()

    return float(np.sqrt(len(counts)) * np.std(influence(counts) - influence(reference)))
