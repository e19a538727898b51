"""Trials of settings on held-out texts: the agreement that they lose, and their cost.

The reference is the dense pass of the model or, in ``accelerate``, of the checkpoint.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from engine.base import Engine
from engine.cli.progress import progress
from engine.corpora import Corpus
from engine.errors import InputError
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, count_matches, f1_difference_error, perfect

logger = logging.getLogger(__name__)

TEXTS_PER_CALL = 16  # a call
ONE_SIDED = 1.645  # standard errors below the one-sided 95 % bound of a loss
MIN_RECOVERED = 0.02  # share of the texts in which recovery must bring words back
MIN_DENSE_F1 = 0.5  # of the dense pass: a setting cannot lose what the model never found
MIN_INT8_F1 = 0.97  # of dense in 8 bits against dense in float32, of which about as many entities are new as lost
MIN_WINDOWS, MIN_HELD_OUT, MIN_ENTITIES = 100, 2, 50  # in the reference; a single text has no standard error


def tag_texts(engine: Engine, texts: Sequence[str], strategy: Strategy, what: str = "") -> Iterator[Result]:
    """Yields the results of texts in order, with progress on ``what``."""
    with progress(what=what, total=len(texts), unit=" texts") as bar:
        for begin in range(0, len(texts), TEXTS_PER_CALL):
            for result in engine.tag_batch(texts[begin : begin + TEXTS_PER_CALL], strategy):
                bar.update()
                yield result


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference entities that predictions are scored against."""

    documents: Sequence[Document]  # with these entities
    types: tuple[str, ...]  # that count
    windows: int  # of all texts
    dense: tuple[Counts, ...]  # of the dense pass, by document

    @classmethod
    def of(cls, engine: Engine, texts: Sequence[str]) -> Reference:
        """Takes the entities of an engine's dense pass as reference."""
        documents, windows = list[Document](), 0
        what = f"Run the dense pass of {engine.source} over {len(texts)} texts"
        for result in tag_texts(engine, texts, Strategy(), what):
            documents.append(Document(str(len(documents)), result.text, result.entities))
            windows += len(result.passes[-1].records)
        dense = perfect(count_documents(documents, [()] * len(documents), engine.labels.types))
        return cls(documents, engine.labels.types, windows, tuple(dense))

    @property
    def entities(self) -> int:
        return sum(counts.gold for counts in self.dense)

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    def check(self) -> None:
        """Raises an `InputError` if there are too few entities to choose operating points."""
        if self.entities < MIN_ENTITIES:
            problem = f"The dense pass finds {self.entities} entities in {len(self.documents)} held-out texts"
            remedy = f"Give more texts, or texts with entities of its types, {', '.join(self.types)}."
            raise InputError(f"{problem}, less than {MIN_ENTITIES}. {remedy}")


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on the documents of a reference."""

    strategy: Strategy
    counts: tuple[Counts, ...]  # by document
    dense: tuple[Counts, ...]  # those of the dense pass
    cost: Cost  # of all documents
    recovered: int = 0  # number of documents in which words came back
    speedups: Mapping[int, float] = field(default_factory=dict)  # batch size → measured speed-up, if it was timed

    @classmethod
    def of(cls, strategy: Strategy, reference: Reference, results: Iterable[Result]) -> Trial:
        """Scores the results of a setting on all documents of a reference."""
        counts, costs, recovered = list[Counts](), list[Cost](), 0
        for document, result in zip(reference.documents, results, strict=True):
            counts.append(count_matches(document.entities, result.entities, reference.types))
            costs.append(result.cost)
            recovered += bool(result.paths.recovered.any())
        return cls(strategy, tuple(counts), reference.dense, add(costs), recovered)

    @cached_property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return Counts.total(self.counts).f1

    @cached_property
    def f1_error(self) -> float:
        """Standard error of the F1 by document, 0–1; infinite for a single document."""
        return f1_difference_error(self.counts, perfect(self.counts))

    @cached_property
    def dense_f1(self) -> float:
        return Counts.total(self.dense).f1

    @property
    def loss(self) -> float:
        """F1 lost against dense, in pp."""
        return (self.dense_f1 - self.f1) * 100

    @cached_property
    def loss_bound(self) -> float:
        """What is lost at most (95 %, one-sided), in pp: the best of many owes something to chance.

        Infinite if there are no entities.
        """
        return self.loss + ONE_SIDED * (f1_difference_error(self.counts, self.dense) * 100)

    @property
    def eligible(self) -> bool:
        """Whether the setting meets all conditions of operating points but the limit of its loss."""
        return (
            self.cost.token_layers < self.cost.dense_token_layers
            and self.cost.macs < self.cost.dense_macs
            and (self.strategy.recovery is None or self.recovered >= MIN_RECOVERED * len(self.counts))
            and (not self.speedups or max(self.speedups.values()) > 1)
            and self.dense_f1 >= MIN_DENSE_F1
        )


def measure(engine: Engine, reference: Reference, strategy: Strategy) -> Trial:
    """Runs a setting on all documents of a reference."""
    return Trial.of(strategy, reference, tag_texts(engine, reference.texts, strategy))


def counts_on_gold(engine: Engine, corpus: Corpus, strategy: Strategy) -> dict[str, Counts]:
    """Exact-span counts of each type on a corpus."""
    results = tag_texts(engine, [document.text for document in corpus.documents], strategy)
    predictions = [result.entities for result in results]
    return {type_: Counts.total(count_documents(corpus.documents, predictions, (type_,))) for type_ in corpus.types}


def mean_f1(runs: Iterable[Mapping[str, Counts]]) -> float:
    """The mean of the F1 of several runs, 0–1, each with counts by type."""
    return fmean(Counts.total(by_type.values()).f1 for by_type in runs)


def int8_agreement(float32: Reference, int8: Reference) -> dict[str, Any]:
    """Whether dense in 8 bits agrees with float32, up to a standard error; empty if there are too few entities."""
    if float32.entities < MIN_ENTITIES:
        logger.info("Too few entities to compare 8 bits with float32, %d: auto is float32.", float32.entities)
        return {}
    counts = count_documents(float32.documents, [document.entities for document in int8.documents], float32.types)
    f1, error = Counts.total(counts).f1, f1_difference_error(counts, perfect(counts))
    agrees = f1 + (error if math.isfinite(error) else 0) >= MIN_INT8_F1
    logger.info("Dense in 8 bits agrees with float32 to %.1f%%: auto is %s.", 100 * f1, "int8" if agrees else "float32")
    return {"agrees": agrees, "agreement": round(f1, 4), "texts": len(counts)}
