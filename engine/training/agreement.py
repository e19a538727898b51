"""How much agreement settings lose on held-out texts, what they cost, how fast they are, and which are chosen.

The reference is what a dense pass finds: the model's own or, in ``accelerate``, that of the checkpoint it learned from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.cli.progress import Progress
from engine.errors import InputError
from engine.latency import PASSES, Latency, speedup, time_variants
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.tagger import Engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect

SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 32  # texts that are tagged together
MIN_RECOVERED = 0.02  # share of the texts in which recovery must bring words back
MIN_DENSE_F1 = 0.5  # of the dense pass: a setting cannot lose what the model never found
MIN_ENTITIES = 50  # in the reference
MIN_INT8_F1 = 0.97  # of dense in 8 bits against dense in float32, of which about as many entities are new as lost


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference entities that predictions are scored against.

    ``documents``: the texts with these entities.
    ``types``: the entity types that count.
    ``dense``: matches, predictions and reference entities of the dense pass in each document.
    """

    documents: Sequence[Document]
    types: tuple[str, ...]
    dense: tuple[Counts, ...]

    @classmethod
    def of(cls, engine: Engine, texts: Sequence[str], needed: int = 0, until: float = math.inf) -> Reference:
        """Takes the entities of an engine's dense pass as reference; a loss is 100 minus the agreement with them.

        The pass ends early if the time ``until``, by `time.monotonic`, is over and ``needed`` texts are done.

        Raises:
            InputError: if these are too few entities to measure losses with.
        """
        documents: list[Document] = []
        with Progress(f"Run the dense pass of {engine.source} over {len(texts)} texts", len(texts)) as progress:
            for begin in range(0, len(texts), CALL):
                results = engine.tag_batch(texts[begin : begin + CALL], "dense")
                documents += [
                    Document(str(len(documents) + i), one.text, one.entities) for i, one in enumerate(results)
                ]
                progress.advance(len(results))
                if len(documents) >= needed and time.monotonic() > until:
                    break
        types = engine.labels.types
        dense = tuple(perfect(count_documents(documents, [()] * len(documents), types)))
        entities = sum(counts.gold for counts in dense)
        if entities < MIN_ENTITIES:
            raise InputError(
                f"expected {engine.source!r} to find {MIN_ENTITIES} entities in {len(documents)} held-out texts or "
                f"more, got {entities}; choose more texts, or texts with entities of its types, {', '.join(types)}"
            )
        return cls(documents, types, dense)

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [document.text for document in self.documents]


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on the documents of a reference.

    ``counts``, ``dense``: matches, predictions and reference entities in each document, of the setting and of dense.
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

    @cached_property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return Counts.total(self.counts).f1

    @cached_property
    def dense_f1(self) -> float:
        """The same of the dense pass."""
        return Counts.total(self.dense).f1

    @cached_property
    def f1_error(self) -> float:
        """Standard error of the F1 by document, 0–1."""
        return f1_difference_error(self.counts, perfect(self.counts))

    @property
    def theoretical_speedup(self) -> float:
        """Dense ÷ own MACs."""
        return self.cost.theoretical_speedup

    @cached_property
    def loss(self) -> float:
        """F1 lost against dense, in pp."""
        return (self.dense_f1 - self.f1) * 100

    @cached_property
    def loss_error(self) -> float:
        """Standard error of the loss by document, in pp; infinite if there are no entities."""
        return f1_difference_error(self.counts, self.dense) * 100

    @cached_property
    def loss_bound(self) -> float:
        """The loss plus its standard error, in pp.

        The best of many settings owes part of its F1 to chance, hence the standard error (Breiman et al. 1984).
        """
        return self.loss + self.loss_error

    @property
    def able(self) -> bool:
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
    counts: list[Counts] = []
    costs: list[Cost] = []
    recovered = 0
    for begin in range(0, len(reference.documents), CALL):
        documents = reference.documents[begin : begin + CALL]
        results = engine.tag_batch([document.text for document in documents], strategy)
        counts += count_documents(documents, [result.entities for result in results], reference.types)
        costs += [result.cost for result in results]
        recovered += sum(result.recovered for result in results)
        if progress:
            progress.advance(len(documents))
    return Trial(strategy, tuple(counts), reference.dense, add(costs, engine.sizes.layers), recovered)


def int8_agreement(float32: Engine, int8: Engine, texts: Sequence[str]) -> tuple[float, bool]:
    """Returns the F1 of dense in 8 bits against dense in float32, and whether they agree: up to a standard error."""
    trial = measure(int8, Reference.of(float32, texts), Strategy("dense"))
    error = trial.f1_error if math.isfinite(trial.f1_error) else 0.0
    return trial.f1, trial.f1 + error >= MIN_INT8_F1


def choose(trials: Iterable[Trial], limits: Mapping[str, float]) -> dict[str, Trial]:
    """Maps each operating point to the fastest setting that loses no more than its limit, from careful to fast.

    A loss counts with its standard error. Settings within `SLACK` of the fewest MACs count as equally fast; the one
    with the smallest loss is taken. A more careful operating point is slower by `SLACK` or more and loses less. An
    operating point that no setting reaches is left out.
    """
    chosen: dict[str, Trial] = {}
    left = [trial for trial in trials if trial.able]
    for point, limit in reversed(list(limits.items())):
        accepted = [trial for trial in left if trial.loss_bound <= limit]
        if not accepted:
            continue
        fastest = max(trial.theoretical_speedup for trial in accepted)
        nearly = [trial for trial in accepted if trial.theoretical_speedup >= (1 - SLACK) * fastest]
        best = min(nearly, key=lambda trial: (trial.loss_bound, -trial.theoretical_speedup))
        chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
        left = [
            trial
            for trial in left
            if trial.theoretical_speedup <= (1 - SLACK) * best.theoretical_speedup
            and trial.loss_bound < best.loss_bound
        ]
    return {point: chosen[point] for point in limits if point in chosen}


def speedups(taggers: Sequence[Callable[..., list[Result]]], texts: Sequence[str], batch_size: int) -> list[float]:
    """Returns the end-to-end time of the first tagger ÷ that of each, see `engine.latency.time_variants`.

    A tagger is `Engine.tag_batch` or the like; it gets ``batch_size`` texts a call.
    """
    batches = [texts[begin : begin + batch_size] for begin in range(0, len(texts), batch_size)]

    def call(variant: int, batch: int) -> Latency:
        return taggers[variant](batches[batch], batch_size=batch_size)[0].latency

    calls = (PASSES + 1) * len(taggers) * len(batches)
    with Progress(f"Time {len(taggers)} taggers on {len(texts)} texts, {batch_size} a call", calls) as progress:
        times = list(time_variants(range(len(taggers)), len(batches), call, progress.advance).values())
    return [speedup(times[0], variant) for variant in times]
