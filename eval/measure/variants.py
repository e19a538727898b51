"""Taggers: each runs one variant, which is a strategy, a control, a baseline or another model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from engine.cascade import Cascade
from engine.pruning.strategy import Strategy
from engine.result import Judgement, Result
from engine.tagger import Engine
from eval.measure.baselines.base import Baseline
from eval.record import Row, Variant, title_of
from eval.schema import BASELINE, DENSE, MODEL


@dataclass(frozen=True)
class Tagged:
    """The outcome of one call."""

    ms: float  # milliseconds that it took, end to end
    rows: Callable[[], list[Row]]  # makes a row of each text, outside the timed part


Tag = Callable[[Sequence[str]], Tagged]  # tags texts in one call


@dataclass(frozen=True)
class Tagger:
    """Runs a variant."""

    variant: Variant
    tag: Tag
    conditions: Mapping[str, Any]  # must be the same when an interrupted run continues
    # For controls, the same with other seeds; only what they find is used, not their times.
    reseeded: tuple[Tag, ...] = ()
    threads: int = field(default_factory=torch.get_num_threads)  # of torch during its calls
    release: Callable[[], object] = lambda: None  # frees what calls have loaded; it is loaded again when needed


def of_engine(tag_batch: Callable[[Sequence[str]], list[Result]]) -> Tag:
    """Tags with an engine; rows say where each word exited and what it cost."""

    def row(result: Result) -> Row:
        exits = result.exits
        if result.judgement is not None:
            exits = _after_small(exits, result.judgement)
        return Row(result.entities, exits, result.cost)

    def tag(texts: Sequence[str]) -> Tagged:
        results = tag_batch(texts)
        return Tagged(results[0].latency.total_ms, lambda: list(map(row, results)))

    return tag


def _after_small(exits: Sequence[int], judgement: Judgement) -> list[int]:
    """Numbers layers as the cost of a cascade does, the small model's first.

    Words that the large model does not read exit after the last of these, wherever they exited in the small model.
    """
    layers = len(judgement.result.cost.rows)
    own = np.array(exits)
    after = np.where(own == 0, 0, own + np.sign(own) * layers)
    for window in judgement.judged:
        if not window.read:
            after[window.first : window.end] = layers
    found: list[int] = after.tolist()
    return found


def of_strategy(engine: Engine, strategy: Strategy) -> Tagger:
    """A strategy of the engine."""
    record = strategy.to_json()
    shown = {key: of for key, of in record.items() if key not in ("name", "point")}
    variant = Variant(title_of(strategy), strategy.kind, engine.dtype, str(engine.device), strategy)
    if isinstance(strategy, Cascade) and engine.small:
        variant = replace(variant, settings=shown, small_layers=engine.small.sizes.layers)
    elif strategy.prunes:
        variant = replace(variant, settings=shown)
    tag = of_engine(lambda texts: engine.tag_batch(texts, strategy, batch_size=len(texts)))
    return Tagger(variant, tag, record)


def of_baseline(baseline: Baseline) -> Tagger:
    """A baseline."""
    settings = {"dtype": baseline.dtype, **baseline.settings}
    variant = Variant(baseline.name, BASELINE, baseline.dtype, baseline.device, settings=settings)

    def tag(texts: Sequence[str]) -> Tagged:
        found, ms = baseline.tag(texts)
        return Tagged(ms, lambda: list(map(Row, found)))

    return Tagger(variant, tag, {baseline.name: settings}, threads=baseline.threads, release=baseline.release)


def of_model(name: str, engine: Engine, strategy: Strategy) -> Tagger:
    """Another model, e.g. with fewer layers, under one of its strategies; its costs cannot be compared with ours."""
    settings = {"dtype": engine.dtype, "layers": str(engine.sizes.layers), "weights": engine.digest[:16]}
    if strategy.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())

    def tag(texts: Sequence[str]) -> Tagged:
        results = engine.tag_batch(texts, strategy, batch_size=len(texts))
        return Tagged(results[0].latency.total_ms, lambda: [Row(result.entities) for result in results])

    variant = Variant(name, MODEL, engine.dtype, str(engine.device), settings=settings)
    return Tagger(variant, tag, {name: settings | engine.fingerprint})
