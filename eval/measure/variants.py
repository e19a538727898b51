"""Variants to measure: strategies, controls, baselines and other models, each a name and a function that tags texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from engine.inspection.cost import Cost
from engine.latency import Latency
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, parse
from engine.tagger import Engine, Result
from engine.text.documents import Entity
from eval.measure.baselines.base import Baseline
from eval.measure.random_exits import RandomExits
from eval.schema import BASELINE, DENSE, MODEL, RANDOM, RANDOM_SEEDS, TRUNCATE


@dataclass(frozen=True)
class Tagged:
    """The outcome of one call.

    ``costs()`` computes the cost of each text outside the timed part; it returns nothing if costs are unknown.
    ``results``: the engine's results with their traces; empty if our engine does not run the variant.
    """

    entities: Sequence[Sequence[Entity]]
    latency: Latency
    costs: Callable[[], list[Cost]] = field(default=list)
    results: Sequence[Result] = ()


@dataclass(frozen=True)
class Variant:
    """A strategy, control, baseline or other model to measure."""

    name: str  # as typed; two variants with the same name differ in dtype
    kind: str  # see `eval.schema.VariantResult`
    dtype: str  # number format that it runs in
    device: str  # torch device that it runs on
    tag: Callable[[Sequence[str]], Tagged]  # tags texts in one call
    engine: Engine | None = None  # runs the strategy or ``random``; ``None`` for baselines and other models
    strategy: Strategy | None = None  # ``None`` for controls, baselines and other models
    replays: str = ""  # for ``random``, the strategy whose numbers of exiting words it replays
    conditions: Mapping[str, Any] = field(default_factory=dict)  # must be the same when an interrupted run continues
    settings: Mapping[str, str] = field(default_factory=dict)  # of baselines and other models, for the report
    # For ``random``, the same variant with other seeds; only their predictions are used, not their times.
    reseeded: tuple[Variant, ...] = ()
    threads: int = field(default_factory=torch.get_num_threads)  # of torch during its calls

    @property
    def key(self) -> str:
        """Identifies the variant within a run."""
        return f"{self.name} {self.dtype}"

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy whose controller chooses words."""
        return self.strategy is not None and self.strategy.prunes

    @property
    def family(self) -> str:
        """The name that the operating points of a strategy, or the depths of ``truncate``, share."""
        if self.kind == RANDOM:
            return f"{RANDOM}@{parse(self.replays).without_point}"
        if self.kind == TRUNCATE:
            return TRUNCATE
        return parse(self.strategy.name).without_point if self.strategy else self.name

    def must_beat(self, other: Variant) -> bool:
        """Whether this strategy is only worth its time if it beats another variant.

        It must beat every baseline and, in its own dtype, other models, stopping after a layer, random exits in the
        same numbers, and itself without recovery.
        """
        if not self.prunes:
            return False
        if other.kind == BASELINE:
            return True
        without_recovery = RECOVERY in self.name and other.name == self.name.replace(RECOVERY, "")
        alike = other.kind in (MODEL, TRUNCATE) or other.replays == self.name or without_recovery
        return alike and other.dtype == self.dtype


def of_strategy(engine: Engine, strategy: Strategy) -> Variant:
    """A strategy of the engine."""

    def tag(texts: Sequence[str]) -> list[Result]:
        return engine.tag_batch(texts, strategy, batch_size=len(texts))

    return _of_engine(engine, strategy.name, strategy.kind, tag, strategy=strategy, conditions=strategy.to_json())


def of_random(engine: Engine, control: RandomExits) -> Variant:
    """``random`` with its first seed, and with the others in ``reseeded``."""

    def with_seed(seed: int) -> Variant:
        own = replace(control, seed=seed)
        return _of_engine(
            engine,
            f"{control.name}#{seed}" if seed else control.name,
            RANDOM,
            lambda texts: own.tag_batch(engine, texts),
            replays=control.replays.name,
            conditions=own.to_json(),
        )

    return replace(with_seed(0), reseeded=tuple(map(with_seed, range(1, RANDOM_SEEDS))))


def _of_engine(
    engine: Engine, name: str, kind: str, tag_batch: Callable[[Sequence[str]], list[Result]], **fields: Any
) -> Variant:
    def tag(texts: Sequence[str]) -> Tagged:
        results = tag_batch(texts)
        entities = [result.entities for result in results]
        return Tagged(entities, results[0].latency, lambda: [result.cost for result in results], results)

    return Variant(name, kind, engine.dtype, str(engine.device), tag, engine, **fields)


def of_baseline(baseline: Baseline) -> Variant:
    """A baseline."""
    return Variant(
        baseline.name,
        BASELINE,
        baseline.dtype,
        baseline.device,
        lambda texts: Tagged(*baseline.tag(texts)),
        conditions={baseline.name: dict(baseline.settings)},
        settings=baseline.settings,
        threads=baseline.threads,
    )


def of_model(name: str, engine: Engine, strategy: Strategy) -> Variant:
    """Another model, e.g. with fewer layers, under one of its strategies; its costs cannot be compared with ours."""
    variant = of_strategy(engine, strategy)
    settings = {"layers": str(engine.sizes.layers), "weights": engine.digest[:16]}
    if strategy.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())

    def tag(texts: Sequence[str]) -> Tagged:
        tagged = variant.tag(texts)
        return Tagged(tagged.entities, tagged.latency)

    conditions = {name: settings | engine.fingerprint}
    return Variant(name, MODEL, variant.dtype, variant.device, tag, conditions=conditions, settings=settings)
