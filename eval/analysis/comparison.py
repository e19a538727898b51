"""One document under one strategy, beside its gold and what dense made of it: what the analyses look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.tagger import Result
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class Compared:
    """``types`` are those that are scored: entities of all others count as none, in gold and predictions alike."""

    document: Document
    types: tuple[str, ...]
    result: Result
    dense: Result

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.result.strategy.name

    @property
    def is_dense(self) -> bool:
        """Whether the strategy is the one that it is compared with."""
        return self.result is self.dense

    @cached_property
    def gold(self) -> tuple[Entity, ...]:
        """Gold mentions, each (start, end, type) once."""
        return self._scored(self.document.entities)

    @cached_property
    def found(self) -> tuple[Entity, ...]:
        """What the strategy found."""
        return self._scored(self.result.entities)

    @cached_property
    def found_by_dense(self) -> tuple[Entity, ...]:
        """What dense found."""
        return self._scored(self.dense.entities)

    @cached_property
    def label_set(self) -> LabelSet:
        """The labels of words, over the scored types."""
        return LabelSet(self.types)

    def labels(self, entities: Iterable[Entity]) -> np.ndarray:
        """The label of each word under some entities, int64 ``(words,)``."""
        return self.label_set.encode(self.result.words, entities)

    def words_of(self, *entities: Entity) -> list[int]:
        """The words that any of the entities overlaps, ascending."""
        return [
            index
            for index, (start, end) in enumerate(self.result.words)
            if any(start < entity.end and end > entity.start for entity in entities)
        ]

    def _scored(self, entities: Iterable[Entity]) -> tuple[Entity, ...]:
        return tuple({entity.key: entity for entity in sorted(entities) if entity.type in self.types}.values())


def overlap(one: Entity, other: Entity) -> int:
    """Characters that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
