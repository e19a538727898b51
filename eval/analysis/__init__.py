"""Tables of a report as pure functions of its record and the corpus. Analyses of errors take `Comparison`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.formats.corpora import Corpus
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.words import split_words
from eval.record import Measured, Variant, dense_of
from eval.schema import BASELINE, MODEL


@dataclass(frozen=True)
class DocumentComparison:
    """A document with what a variant and dense found in it."""

    document: Document
    types: tuple[str, ...]  # the scored ones; gold mentions and predictions of other types are ignored
    exits: Sequence[int]  # of each word, see `eval.record.Row`
    entities: tuple[Entity, ...]  # the variant's predictions
    dense_entities: tuple[Entity, ...]  # dense's predictions

    @cached_property
    def gold(self) -> tuple[Entity, ...]:
        """Gold mentions, each (start, end, type) once."""
        return self._scored(self.document.entities)

    @cached_property
    def found(self) -> tuple[Entity, ...]:
        """The variant's predictions of scored types."""
        return self._scored(self.entities)

    @cached_property
    def found_by_dense(self) -> tuple[Entity, ...]:
        """Dense's predictions of scored types."""
        return self._scored(self.dense_entities)

    @cached_property
    def label_set(self) -> LabelSet:
        """The labels of words, over the scored types."""
        return LabelSet(self.types)

    @cached_property
    def words(self) -> list[tuple[int, int]]:
        """Where words start and end."""
        return split_words(self.document.text)

    def labels(self, entities: Iterable[Entity]) -> np.ndarray:
        """The label of each word under some entities, int64 ``(words,)``."""
        return self.label_set.encode(self.words, entities)

    def words_of(self, *entities: Entity) -> list[int]:
        """Indices of the words that overlap any of the entities, ascending."""
        starts, ends = ([word[side] for word in self.words] for side in (0, 1))
        spans = (range(bisect_right(ends, one.start), bisect_left(starts, one.end)) for one in entities)
        return sorted({index for span in spans for index in span})

    def near(self, entity: Entity) -> list[Entity]:
        """The predictions of the variant or dense that overlap an entity."""
        return [other for other in (*self.found, *self.found_by_dense) if overlap(entity, other)]

    def _scored(self, entities: Iterable[Entity]) -> tuple[Entity, ...]:
        return tuple({entity.key: entity for entity in sorted(entities) if entity.type in self.types}.values())


@dataclass(frozen=True)
class Comparison:
    """All documents under one variant, beside dense in the same dtype."""

    variant: Variant
    documents: Sequence[DocumentComparison]


def compare(measured: Mapping[str, Measured], corpus: Corpus) -> list[Comparison]:
    """Compares strategies and controls, dense included, with dense in their dtype; ``measured``: at one batch size."""
    found = []
    for one in measured.values():
        if one.variant.kind in (BASELINE, MODEL):
            continue
        rows = zip(corpus.documents, one.rows, dense_of(measured, one.variant.dtype).rows, strict=True)
        documents = [
            DocumentComparison(document, corpus.types, own.exits, own.entities, dense.entities)
            for document, own, dense in rows
        ]
        found.append(Comparison(one.variant, documents))
    return found


def overlap(one: Entity, other: Entity) -> int:
    """Number of characters that two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
