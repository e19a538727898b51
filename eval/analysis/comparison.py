"""One document under one strategy, with its gold and dense's run: the input of all analyses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class Word:
    """A word of a run.

    Args:
        start, end: its offsets in the text.
        text: its characters.
        pieces: how many word pieces it has.
        layer: after which it exited; the last one if it did not.
        state: ``kept``, ``exited`` or ``recovered``.
        gates: layer, label and its probability at every gate that it reached.
    """

    start: int
    end: int
    text: str
    pieces: int
    layer: int
    state: str
    gates: tuple[tuple[int, str, float], ...] = ()


@dataclass(frozen=True)
class Findings:
    """What a strategy with these gates, if any, found in a document. ``recovers``: whether words could be recovered."""

    strategy: str
    gates: tuple[int, ...]
    recovers: bool
    entities: tuple[Entity, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Compared:
    """A document under a strategy, with its gold and dense's run.

    ``types``: the scored types; entities of others are ignored in both gold and predictions.
    """

    document: Document
    types: tuple[str, ...]
    findings: Findings
    dense: Findings

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.findings.strategy

    @property
    def is_dense(self) -> bool:
        """Whether the strategy is dense itself."""
        return self.findings is self.dense

    @cached_property
    def gold(self) -> tuple[Entity, ...]:
        """Gold mentions, each (start, end, type) once."""
        return self._scored(self.document.entities)

    @cached_property
    def found(self) -> tuple[Entity, ...]:
        """What the strategy found."""
        return self._scored(self.findings.entities)

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
        return self.label_set.encode([(word.start, word.end) for word in self.findings.words], entities)

    def words_of(self, *entities: Entity) -> list[int]:
        """Indices of words overlapping any entity, ascending."""
        return [
            index
            for index, word in enumerate(self.findings.words)
            if any(word.start < entity.end and word.end > entity.start for entity in entities)
        ]

    def _scored(self, entities: Iterable[Entity]) -> tuple[Entity, ...]:
        return tuple({entity.key: entity for entity in sorted(entities) if entity.type in self.types}.values())


def overlap(one: Entity, other: Entity) -> int:
    """Characters that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
