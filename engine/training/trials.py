"""Trials of settings: how much each loses against a reference, what it costs, and which becomes an operating point.

The reference is what a dense pass finds: the model's own or, in ``accelerate``, that of the checkpoint it learned from.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from tqdm import tqdm

from engine.errors import InputError
from engine.formats.corpora import Corpus
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import Engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect
from engine.text.words import words_of

LIMITS = "0.2,0.5,1.5"  # pp of agreement that careful, balanced and fast may lose
SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 32  # texts that are tagged together; the deadline is checked before each call
MIN_RECOVERED = 0.02  # share of the texts in which recovery must bring words back
MIN_DENSE_F1 = 0.5  # of the dense pass: a setting cannot lose what the model never found
MIN_ENTITIES = 50  # in the reference


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference entities that predictions are scored against.

    ``documents``: the texts with these entities.
    ``types``: the entity types that count.
    ``dense``: TP, predictions and reference entities of the dense pass in each document.
    """

    documents: Sequence[Document]
    types: tuple[str, ...]
    dense: tuple[Counts, ...]

    @classmethod
    def agreement(cls, engine: Engine, texts: Sequence[str], needed: int = 0, until: float = math.inf) -> Reference:
        """Takes the entities of an engine's dense pass as reference; a loss is 100 minus the agreement with them.

        The pass ends early if the time ``until``, by `time.monotonic`, is over and ``needed`` texts are done.
        """
        documents: list[Document] = []
        for begin in tqdm(range(0, len(texts), CALL), desc="dense pass", disable=None):
            results = engine.tag_batch(texts[begin : begin + CALL], "dense")
            documents += [Document(str(begin + i), one.text, one.entities) for i, one in enumerate(results, start=1)]
            if len(documents) >= needed and time.monotonic() > until:
                break
        return cls.of_dense(engine, documents)

    @classmethod
    def of_dense(cls, engine: Engine, documents: Sequence[Document]) -> Reference:
        """The same, given the documents with what the dense pass found in them.

        Raises an `InputError` if these are too few entities to measure losses with.
        """
        types = engine.labels.types
        dense = tuple(perfect(count_documents(documents, [()] * len(documents), types)))
        found = sum(of.gold for of in dense)
        if found < MIN_ENTITIES:
            raise InputError(
                f"expected {engine.source!r} to find {MIN_ENTITIES} entities in {len(documents)} held-out texts or "
                f"more, got {found}; choose more texts, or texts with entities of its types, {', '.join(types)}"
            )
        return cls(documents, types, dense)

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [document.text for document in self.documents]

    def shuffled(self, seed: int) -> Reference:
        """Returns the reference in random order, so that its first documents are a sample."""
        order = random.Random(seed).sample(range(len(self.documents)), len(self.documents))
        return replace(self, documents=[self.documents[i] for i in order], dense=tuple(self.dense[i] for i in order))


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on the first documents of a reference.

    ``counts``, ``dense``: TP, predictions and reference entities in each document, of the setting and of dense.
    ``cost``: cost of all of them together.
    ``recovered``: number of documents in which words came back.
    ``speedups``: batch size → dense ÷ own time here, end to end, if it was timed.
    """

    strategy: Strategy
    counts: tuple[Counts, ...]
    dense: tuple[Counts, ...]
    cost: Cost
    recovered: int = 0
    speedups: Mapping[int, float] = field(default_factory=dict)

    @property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return Counts.total(self.counts).f1

    @property
    def dense_f1(self) -> float:
        """The same of the dense pass."""
        return Counts.total(self.dense).f1

    @property
    def theoretical_speedup(self) -> float:
        """Dense ÷ own MACs."""
        return self.cost.theoretical_speedup

    @property
    def loss(self) -> float:
        """F1 lost against dense, in pp."""
        return (self.dense_f1 - self.f1) * 100

    @property
    def loss_error(self) -> float:
        """Standard error of the loss by document, in pp; infinite if there are no entities."""
        return f1_difference_error(self.counts, self.dense) * 100

    def loss_bound(self, documents: int | None = None) -> float:
        """The loss plus its standard error in pp: the one it has or, on so many ``documents``, would have."""
        return self.loss + self.loss_error * math.sqrt(len(self.counts) / (documents or len(self.counts)))


@dataclass(frozen=True)
class Requirement:
    """What a trial must meet to become an operating point.

    The best of many settings owes part of its F1 to chance, hence the standard error (Breiman et al. 1984).

    ``point``: the operating point.
    ``max_loss``: pp that it may lose.
    """

    point: str
    max_loss: float

    def accepts(self, trial: Trial, documents: int | None = None) -> bool:
        """Whether a trial meets it, with the standard error that it has or, on so many ``documents``, would have."""
        return able(trial) and trial.loss_bound(documents) <= self.max_loss

    def describe(self) -> str:
        """The condition in words."""
        return (
            f"its loss against the dense pass plus one standard error is at most {self.max_loss:g} pp, it computes "
            "fewer token-layers and fewer MACs than the dense pass, recovery, if it has any, brings words back in at "
            f"least {100 * MIN_RECOVERED:g} % of the texts, it is faster than the dense pass at some batch size, if it "
            f"was timed, and the dense pass itself has an F1 of at least {MIN_DENSE_F1:g} against the reference"
        )


def able(trial: Trial) -> bool:
    """Whether a trial meets all of a `Requirement` but the limit of its loss."""
    cost, recovers = trial.cost, trial.strategy.recovery is not None
    return (
        cost.token_layers < cost.dense_token_layers
        and cost.macs < cost.dense_macs
        and (not recovers or trial.recovered >= MIN_RECOVERED * len(trial.counts))
        and (not trial.speedups or max(trial.speedups.values()) > 1)
        and trial.dense_f1 >= MIN_DENSE_F1
    )


def parse_requirements(given: str | Iterable[float], option: str) -> tuple[Requirement, ...]:
    """Returns the requirement of each operating point from limits in pp; in text they are joined by commas."""
    try:
        limits = [float(part) for part in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        limits = []
    if len(limits) != len(OPERATING_POINTS) or not all(0 <= one < math.inf for one in limits):
        raise InputError(
            f"expected {len(OPERATING_POINTS)} numbers of 0 or more for {option}, got {given!r}; write e.g. {LIMITS}"
        )
    if limits != sorted(limits):
        raise InputError(f"expected ascending numbers for {option}, got {given!r}; write the smallest first")
    return tuple(map(Requirement, OPERATING_POINTS, limits))


def choose(trials: Iterable[Trial], requirements: Sequence[Requirement]) -> dict[str, Trial]:
    """Maps each operating point to the fastest setting that meets its requirement, in order from careful to fast.

    Settings within `SLACK` of the fewest MACs count as equally fast; the one with the smallest loss plus standard error
    is taken. A more careful operating point is slower by `SLACK` or more and loses less, standard errors included. An
    operating point that no setting reaches is left out.
    """
    chosen: dict[str, Trial] = {}
    left = list(trials)
    for requirement in reversed(requirements):
        accepted = [one for one in left if requirement.accepts(one)]
        if not accepted:
            continue
        fastest = max(one.theoretical_speedup for one in accepted)
        nearly = [one for one in accepted if one.theoretical_speedup >= (1 - SLACK) * fastest]
        best = min(nearly, key=lambda one: (one.loss_bound(), -one.theoretical_speedup))
        chosen[requirement.point] = replace(best, strategy=replace(best.strategy, point=requirement.point))
        left = [
            one
            for one in left
            if one.theoretical_speedup <= (1 - SLACK) * best.theoretical_speedup
            and one.loss_bound() < best.loss_bound()
        ]
    return {point: chosen[point] for point in OPERATING_POINTS if point in chosen}


class OutOfTimeError(Exception):
    """The time for trials is used up."""


def measure(
    engine: Engine,
    reference: Reference,
    strategy: Strategy,
    documents: int | None = None,
    *,
    progress: str = "",
    deadline: float = math.inf,
) -> Trial:
    """Runs a setting on all documents of a reference, or on the first ones.

    ``progress`` is the name of the progress bar; without one there is none. ``deadline`` is the latest time by
    `time.monotonic`.
    """
    used, dense = reference.documents[:documents], reference.dense[:documents]
    counts: list[Counts] = []
    costs: list[Cost] = []
    recovered = 0
    for begin in tqdm(range(0, len(used), CALL), desc=progress, disable=None if progress else True):
        if time.monotonic() > deadline:
            raise OutOfTimeError
        call = used[begin : begin + CALL]
        results = engine.tag_batch([document.text for document in call], strategy)
        counts += count_documents(call, [result.entities for result in results], reference.types)
        costs += [result.cost for result in results]
        recovered += sum(result.recovered for result in results)
    return Trial(strategy, tuple(counts), dense, add(costs, engine.sizes.layers), recovered)


def f1_of(engine: Engine, corpus: Corpus, strategy: Strategy) -> float:
    """Exact-span micro F1 on a corpus, 0–1."""
    return measure(
        engine, Reference(corpus.documents, corpus.types, ()), strategy, progress=f"F1 of {strategy.name}"
    ).f1


def enough_texts(texts: Sequence[str], words: int) -> int:
    """Returns how many of the first texts have this many words together."""
    return 1 + sum(total < words for total in accumulate(len(words_of(text)) for text in texts))
