"""How much agreement settings lose on held-out texts, what they cost, how fast they are, and which are chosen.

The reference is what a dense pass finds: the model's own or, in ``accelerate``, that of the checkpoint it learned from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from engine.base import Engine
from engine.cli.command import say
from engine.cli.progress import Progress
from engine.errors import InputError
from engine.latency import PASSES, Latency, speedup, time_variants
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.tagger import load_engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, count_matches, f1_difference_error, perfect

SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 16  # texts that are tagged together
BATCH_SIZES = (1, 32)  # texts a call when speed is measured
MIN_RECOVERED = 0.02  # share of the texts in which recovery must bring words back
MIN_DENSE_F1 = 0.5  # of the dense pass: a setting cannot lose what the model never found
MIN_WINDOWS, MIN_HELD_OUT, MIN_ENTITIES = 100, 2, 50  # in the reference; a single text has no standard error
MIN_INT8_F1 = 0.97  # of dense in 8 bits against dense in float32, of which about as many entities are new as lost


def tagged(engine: Engine, texts: Sequence[str], strategy: Strategy, progress: Progress) -> Iterator[Result]:
    """Yields the results of texts in order, and advances the progress by a text each."""
    for begin in range(0, len(texts), CALL):
        for result in engine.tag_batch(texts[begin : begin + CALL], strategy):
            progress.advance()
            yield result


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference entities that predictions are scored against.

    ``documents``: the texts with these entities. ``types``: the entity types that count.
    ``windows``: number of windows of all texts.
    ``dense``: matches, predictions and reference entities of the dense pass in each document.
    """

    documents: Sequence[Document]
    types: tuple[str, ...]
    windows: int
    dense: tuple[Counts, ...]

    @classmethod
    def of(cls, engine: Engine, texts: Sequence[str], until: float = math.inf) -> Reference:
        """Takes the entities of an engine's dense pass as reference.

        After the time ``until``, by `time.monotonic`, the pass ends when the texts suffice to choose operating points.
        """
        documents, windows = list[Document](), 0
        with Progress(f"Run the dense pass of {engine.source} over {len(texts)} texts", len(texts)) as progress:
            for result in tagged(engine, texts, Strategy(), progress):
                documents.append(Document(str(len(documents)), result.text, result.entities))
                windows += len(result.passes[-1].records)
                if time.monotonic() > until and windows >= MIN_WINDOWS and len(documents) >= MIN_HELD_OUT:
                    break
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
            raise InputError(
                f"expected the dense pass to find {MIN_ENTITIES} entities or more in {len(self.documents)} held-out "
                f"texts, got {self.entities}; choose more texts, or texts with entities of its types, "
                f"{', '.join(self.types)}"
            )


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on the documents of a reference.

    ``counts``, ``dense``: matches, predictions and reference entities in each document, of the setting and of dense.
    ``cost``: that of all documents. ``recovered``: number of documents in which words came back.
    ``speedups``: batch size → dense ÷ own time here, end to end, if it was timed.
    """

    strategy: Strategy
    counts: tuple[Counts, ...]
    dense: tuple[Counts, ...]
    cost: Cost
    recovered: int = 0
    speedups: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, strategy: Strategy, reference: Reference, results: Iterable[Result]) -> Trial:
        """Scores the results of a setting on all documents of a reference."""
        counts, costs, recovered = list[Counts](), list[Cost](), 0
        for document, result in zip(reference.documents, results, strict=True):
            counts.append(count_matches(document.entities, result.entities, reference.types))
            costs.append(result.cost)
            recovered += bool(result.paths.recovered.any())
        return cls(strategy, tuple(counts), reference.dense, add(costs, len(costs[0].rows)), recovered)

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
        """F1 of the dense pass."""
        return Counts.total(self.dense).f1

    @property
    def loss(self) -> float:
        """F1 lost against dense, in pp."""
        return (self.dense_f1 - self.f1) * 100

    @cached_property
    def loss_error(self) -> float:
        """Standard error of the loss by document, in pp; infinite if there are no entities."""
        return f1_difference_error(self.counts, self.dense) * 100

    @property
    def loss_bound(self) -> float:
        """The loss plus its standard error, in pp: the best of many owes something to chance (Breiman et al. 1984)."""
        return self.loss + self.loss_error

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


def measure(engine: Engine, reference: Reference, strategy: Strategy, progress: Progress | None = None) -> Trial:
    """Runs a setting on all documents of a reference."""
    return Trial.of(strategy, reference, tagged(engine, reference.texts, strategy, progress or Progress()))


def references_of(source: str | Path, texts: Sequence[str]) -> dict[str, Reference]:
    """Takes the entities of a model's dense pass in each dtype of a CPU as reference."""
    return {dtype: Reference.of(load_engine(source, dtype), texts) for dtype in ("float32", "int8")}


def int8_agreement(float32: Reference, int8: Reference) -> dict[str, Any]:
    """Returns what a folder stores if dense in 8 bits agrees with float32, up to a standard error, or else nothing."""
    float32.check()
    counts = count_documents(float32.documents, [document.entities for document in int8.documents], float32.types)
    f1, error = Counts.total(counts).f1, f1_difference_error(counts, perfect(counts))
    agrees = f1 + (error if math.isfinite(error) else 0) >= MIN_INT8_F1
    say(f"Dense in 8 bits agrees with float32 to {f1:.1%}: auto is {'int8' if agrees else 'float32'}.")
    return {"agreement": round(f1, 4), "texts": len(counts)} if agrees else {}


@dataclass(frozen=True)
class Row:
    """An operating point, or ``dense``, whose ``limit`` is ``None``, and its setting on the held-out texts.

    ``limit``: pp that it may lose. ``reached``: whether a setting does; if not, ``trial`` is the one that loses least.
    """

    name: str
    trial: Trial
    limit: float | None = None
    reached: bool = True

    @property
    def stored(self) -> bool:
        """Whether it becomes an operating point. One that was chosen may turn out to be no faster than dense."""
        return self.limit is not None and self.reached and self.trial.eligible


def choose(trials: Iterable[Trial], limits: Mapping[str, float]) -> list[Row]:
    """Returns the operating points, from careful to fast: each the fastest setting that loses no more than its limit.

    A loss counts with its standard error. Settings within `SLACK` of the fewest MACs count as equally fast; the one
    with the smallest loss is taken. A more careful operating point is slower by `SLACK` or more and loses less. There
    are no rows if no setting is eligible.
    """
    eligible = left = [trial for trial in trials if trial.eligible]
    rows = list[Row]()
    for point, limit in reversed([*limits.items()] if eligible else []):
        accepted = [trial for trial in left if trial.loss_bound <= limit]
        if not accepted:
            rows.append(Row(point, min(eligible, key=lambda trial: trial.loss_bound), limit, reached=False))
            continue
        fewest = min(trial.cost.macs for trial in accepted)
        nearly = [trial for trial in accepted if (1 - SLACK) * trial.cost.macs <= fewest]
        best = min(nearly, key=lambda trial: (trial.loss_bound, trial.cost.macs))
        rows.append(Row(point, replace(best, strategy=replace(best.strategy, point=point)), limit))
        slower = (trial for trial in left if (1 - SLACK) * trial.cost.macs >= best.cost.macs)
        left = [trial for trial in slower if trial.loss_bound < best.loss_bound]
    return rows[::-1]


def speedups(pairs: Sequence[tuple[Engine, Strategy]], texts: Sequence[str], calls: int) -> list[dict[int, float]]:
    """Returns for each engine and strategy batch size → end-to-end time of the first ÷ its own.

    Of `BATCH_SIZES`, those are timed at which the texts make so many ``calls``.
    """
    timed = {size: _times(pairs, texts, size) for size in BATCH_SIZES if len(texts) >= calls * size}
    return [{size: speedup(times[0], times[index]) for size, times in timed.items()} for index in range(len(pairs))]


def _times(pairs: Sequence[tuple[Engine, Strategy]], texts: Sequence[str], size: int) -> list[np.ndarray]:
    batches = [texts[begin : begin + size] for begin in range(0, len(texts), size)]

    def call(index: int, batch: int) -> Latency:
        engine, strategy = pairs[index]
        return engine.tag_batch(batches[batch], strategy, batch_size=size)[0].latency

    calls = (PASSES + 1) * len(pairs) * len(batches)
    with Progress(f"Time {len(pairs)} strategies on {len(texts)} texts, {size} a call", calls) as progress:
        return list(time_variants(range(len(pairs)), len(batches), call, progress.advance).values())
