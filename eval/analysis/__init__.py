"""Tables of a report as pure functions of its record. Analyses of errors take `Comparison`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from engine.paths import Paths
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.words import split_words
from eval.record import Measured, Prediction, Variant, dense_of
from eval.schema import BASELINE, MODEL


@dataclass(frozen=True)
class DocumentComparison:
    """A document with what a variant and dense found in it: entities of the scored types, each once."""

    text: str
    types: tuple[str, ...]  # the scored ones
    paths: Paths  # of its words under the variant
    gold: tuple[Entity, ...]
    found: tuple[Entity, ...]  # by the variant
    found_by_dense: tuple[Entity, ...]

    @classmethod
    def of(cls, document: Document, types: tuple[str, ...], pruned: Prediction, dense: Prediction) -> Self:
        """Compares what a variant found with what dense found."""
        scored = (
            tuple({entity.key: entity for entity in sorted(side.entities) if entity.type in types}.values())
            for side in (document, pruned, dense)
        )
        assert pruned.paths is not None, "strategies and controls have paths"
        return cls(document.text, types, pruned.paths, *scored)

    @cached_property
    def words(self) -> list[tuple[int, int]]:
        """Where words start and end."""
        return split_words(self.text)

    def labels(self, entities: Iterable[Entity]) -> np.ndarray:
        """The label of each word under some entities, int64 ``(words,)``, as in a `LabelSet` of the scored types."""
        return LabelSet(self.types).encode(self.words, entities)

    def words_of(self, *entities: Entity) -> list[int]:
        """Indices of the words that overlap any of the entities, ascending."""
        words = enumerate(self.words)
        return [index for index, (start, end) in words if any(start < e.end and e.start < end for e in entities)]


@dataclass(frozen=True)
class Comparison:
    """All documents under one variant, beside dense in the same dtype."""

    variant: Variant
    documents: Sequence[DocumentComparison]


def compare(measured: Mapping[str, Measured]) -> list[Comparison]:
    """Compares strategies and controls, dense included, with dense in their dtype."""
    comparisons = []
    for each in measured.values():
        if each.variant.kind not in (BASELINE, MODEL):
            corpus, dense = each.corpus, dense_of(measured, each.variant.dtype)
            rows = zip(corpus.documents, each.predictions, dense.predictions, strict=True)
            documents = [DocumentComparison.of(document, corpus.types, *pair) for document, *pair in rows]
            comparisons.append(Comparison(each.variant, documents))
    return comparisons


def overlap(entity: Entity, other: Entity) -> int:
    """Number of characters that two entities share."""
    return max(0, min(entity.end, other.end) - max(entity.start, other.start))
