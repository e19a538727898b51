"""Explains measurements: errors, exits, cases and groups of mentions. All analyses take a `DocumentComparison`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.inspection.trace import WordTrace
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class DocumentComparison:
    """A document with what a strategy and dense found in it."""

    document: Document
    types: tuple[str, ...]  # the scored ones; gold mentions and predictions of other types are ignored
    strategy: str  # its name
    gates: tuple[int, ...]  # its layers with gates, if any
    recovers: bool  # whether it can recover words
    words: tuple[WordTrace, ...]  # the document's words, with where they exited
    entities: tuple[Entity, ...]  # the strategy's predictions
    dense_entities: tuple[Entity, ...]  # dense's predictions

    @cached_property
    def gold(self) -> tuple[Entity, ...]:
        """Gold mentions, each (start, end, type) once."""
        return self._scored(self.document.entities)

    @cached_property
    def found(self) -> tuple[Entity, ...]:
        """The strategy's predictions of scored types."""
        return self._scored(self.entities)

    @cached_property
    def found_by_dense(self) -> tuple[Entity, ...]:
        """Dense's predictions of scored types."""
        return self._scored(self.dense_entities)

    @cached_property
    def label_set(self) -> LabelSet:
        """The labels of words, over the scored types."""
        return LabelSet(self.types)

    def labels(self, entities: Iterable[Entity]) -> np.ndarray:
        """The label of each word under some entities, int64 ``(words,)``."""
        return self.label_set.encode([(word.start, word.end) for word in self.words], entities)

    @cached_property
    def _borders(self) -> tuple[list[int], list[int]]:
        """Where words start and end."""
        return [word.start for word in self.words], [word.end for word in self.words]

    def words_of(self, *entities: Entity) -> list[int]:
        """Indices of the words that overlap any of the entities, ascending."""
        starts, ends = self._borders
        spans = (range(bisect_right(ends, one.start), bisect_left(starts, one.end)) for one in entities)
        return sorted({index for span in spans for index in span})

    def near(self, entity: Entity) -> list[Entity]:
        """The predictions of the strategy or dense that overlap an entity."""
        return [other for other in (*self.found, *self.found_by_dense) if overlap(entity, other)]

    def _scored(self, entities: Iterable[Entity]) -> tuple[Entity, ...]:
        return tuple({entity.key: entity for entity in sorted(entities) if entity.type in self.types}.values())


def overlap(one: Entity, other: Entity) -> int:
    """Number of characters that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
