"""Scores, costs and times of every variant, collected from the log of a complete run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from seqeval.scheme import IOB2, Entities

from engine.inspection.cost import Cost, add
from engine.latency import Times
from engine.runs import Log
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_matches
from engine.text.words import split_words
from eval.measure.runner import Plan, logged_batches
from eval.measure.variants import Variant
from eval.records import Record
from eval.schema import DENSE


class Scores:
    """Scores of predictions over the given types; documents are added one by one, and only counts are kept."""

    def __init__(self, types: Sequence[str]) -> None:
        self.by_document: list[Counts] = []  # over all types
        self.by_type = dict.fromkeys(types, Counts())
        self.unscored = 0  # predictions of other types
        self._labels = LabelSet(types)
        self._words = Counts()

    def add(self, document: Document, found: Sequence[Entity]) -> None:
        """Counts the true positives, predictions and gold mentions of a document."""
        self.by_document.append(count_matches(document.entities, found, self.by_type))
        for type_ in self.by_type:
            self.by_type[type_] += count_matches(document.entities, found, [type_])
        gold, predicted = (self._word_spans(document, entities) for entities in (document.entities, found))
        self._words += Counts(len(gold & predicted), len(predicted), len(gold))
        self.unscored += sum(entity.type not in self.by_type for entity in found)

    def _word_spans(self, document: Document, entities: Sequence[Entity]) -> set[tuple[int, int, str]]:
        """Spans of words as seqeval reads them from strict IOB2 labels."""
        labels = [self._labels.names[label] for label in self._labels.encode(split_words(document.text), entities)]
        return {(entity.start, entity.end, entity.tag) for entity in Entities([labels], scheme=IOB2).entities[0]}

    @property
    def total(self) -> Counts:
        """The sum over all documents, for the micro-average."""
        return Counts.total(self.by_document)

    @property
    def seqeval(self) -> float:
        """Strict IOB2 F1 on words, 0–1."""
        return self._words.f1


@dataclass(frozen=True, eq=False)
class Measured:
    """One variant at one batch size. For ``random``, all but ``runs`` belongs to the first seed."""

    variant: Variant  # what was measured
    batch_size: int  # documents per call
    runs: tuple[Scores, ...]  # one for each seed of ``random``
    costs: list[Cost]  # of each document; none for baselines and other models
    times: Times  # of the timed documents
    timed: np.ndarray  # indices of the timed documents

    @cached_property
    def cost(self) -> Cost | None:
        """The cost of all documents, if known."""
        return add(self.costs, len(self.costs[0].rows)) if self.costs else None

    @cached_property
    def macs(self) -> np.ndarray:
        """MACs of each document, ``(documents,)``; empty without costs."""
        return np.array([cost.macs for cost in self.costs])

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of each document in the first layer, ``(documents,)``; empty without costs."""
        return np.array([cost.rows[0] for cost in self.costs])

    @property
    def record(self) -> Record:
        """Counts of each document and times of each batch, as reports publish them."""
        key = self.variant.name, self.variant.dtype, self.batch_size
        return Record(key, [run.by_document for run in self.runs], self.times.batches)


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in that one, dense in the first dtype, the reference of the whole run."""
    found = [one for one in measured.values() if one.variant.kind == DENSE]
    return next((one for one in found if one.variant.dtype == dtype), found[0])


def collect(plan: Plan, batch_size: int, log: Log) -> dict[str, Measured]:
    """Collects the results at one batch size, by variant, from a complete log."""
    runs = {variant.key: [variant.key, *(other.key for other in variant.reseeded)] for variant in plan.variants}
    scores = {run: Scores(plan.corpus.types) for keys in runs.values() for run in keys}
    costs: dict[str, list[Cost]] = {key: [] for key in runs}
    times = {key: Times(-(-len(plan.timed) // batch_size)) for key in runs}
    for logged in logged_batches(plan, log):
        for run, found in logged.found.items():
            if logged.unit.batch_size == batch_size or run not in runs:  # other seeds ran at one batch size only
                for document, entities in zip(logged.documents, found, strict=True):
                    scores[run].add(document, entities)
        if logged.unit.batch_size != batch_size:
            continue
        if logged.unit.pass_number:
            for key, (total, encoder) in logged.times.items():
                times[key].add(logged.unit.batch, total, encoder)
        for key, batch in logged.costs.items():
            costs[key].extend(batch)
    return {
        variant.key: Measured(
            variant,
            batch_size,
            tuple(scores[run] for run in runs[variant.key]),
            costs[variant.key],
            times[variant.key],
            np.array(plan.timed),
        )
        for variant in plan.variants
    }


def predictions(plan: Plan, variant: Variant, batch_size: int, log: Log) -> Iterator[Document]:
    """Yields the corpus' documents with a variant's predictions in place of gold."""
    for logged in logged_batches(plan, log):
        if logged.unit.batch_size == batch_size and logged.unit.pass_number == 0:
            for document, entities in zip(logged.documents, logged.found[variant.key], strict=True):
                yield replace(document, entities=tuple(entities))
