"""Taggers: each runs one variant, which is a strategy, a control, a baseline or another model.

A control computes as much as a strategy but chooses it at random, which shows what a controller's choice is worth.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from engine.base import Engine
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.record import WindowRecord
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import GivenExits, Strategy
from engine.result import Result
from eval.measure.baselines.base import Baseline
from eval.record import Row, Variant
from eval.schema import BASELINE, DENSE, MODEL, RANDOM, RANDOM_SEEDS

# Tags texts in one call; returns the milliseconds that it took, end to end, and a row for each text.
Tag = Callable[[Sequence[str]], tuple[float, list[Row]]]


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


def of_engine(tag_batch: Callable[[Sequence[str]], list[Result]], *, costs: bool = True) -> Tag:
    """Tags with an engine; rows have the paths of the words and what it cost, unless without ``costs``."""

    def row(result: Result) -> Row:
        return Row(result.entities, result.paths, result.cost) if costs else Row(result.entities)

    def tag(texts: Sequence[str]) -> tuple[float, list[Row]]:
        results = tag_batch(texts)
        return results[0].latency.total_ms, list(map(row, results))

    return tag


def _tag_batch(engine: Engine, strategy: Strategy) -> Callable[[Sequence[str]], list[Result]]:
    return lambda texts: engine.tag_batch(texts, strategy, batch_size=len(texts))


def of_strategy(engine: Engine, strategy: Strategy, title: str = "") -> Tagger:
    """A strategy of the engine; ``title``: its name in the report, by default its own."""
    record = strategy.to_json()
    shown = {key: value for key, value in record.items() if key not in ("name", "point") and strategy.settings()}
    layers = tuple(stage.sizes.layers for stage in engine.stages_of(strategy))
    about = engine.dtype, str(engine.device), strategy, shown, layers
    variant = Variant(title or strategy.title, strategy.kind, *about)
    return Tagger(variant, of_engine(_tag_batch(engine, strategy)), record)


def of_baseline(baseline: Baseline) -> Tagger:
    """A baseline; the settings of its variant become complete when its runtime parameters are chosen."""
    baseline.settings["dtype"] = baseline.dtype
    variant = Variant(baseline.name, BASELINE, baseline.dtype, baseline.device, settings=baseline.settings)

    def tag(texts: Sequence[str]) -> tuple[float, list[Row]]:
        entities, ms = baseline.tag(texts)
        return ms, list(map(Row, entities))

    conditions = {baseline.name: dict(baseline.settings)}
    return Tagger(variant, tag, conditions, threads=baseline.threads, release=baseline.release)


def of_model(name: str, engine: Engine, strategy: Strategy) -> Tagger:
    """Another model, e.g. with fewer layers, under one of its strategies; its costs cannot be compared with ours."""
    settings = {"dtype": engine.dtype, "layers": str(engine.sizes.layers), "weights": engine.digest[:16]}
    if strategy.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())
    variant = Variant(name, MODEL, engine.dtype, str(engine.device), settings=settings)
    return Tagger(variant, of_engine(_tag_batch(engine, strategy), costs=False), {name: settings | engine.fingerprint})


class RandomWords(Recovery):
    """Recovery that brings back as many words of each window as it would otherwise, but chooses them at random."""

    def choose(self, record: WindowRecord) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        exited = np.flatnonzero(record.exited)
        chosen = np.zeros(len(record.exited), dtype=bool)
        generator = np.random.default_rng(window_seed(record))
        chosen[generator.choice(exited, int(super().choose(record).sum()), replace=False)] = True
        return chosen


def window_seed(record: WindowRecord) -> list[int]:
    """A seed that depends on the window alone."""
    pieces = record.window.input_ids
    return [int(pieces.sum()), len(pieces)]


def random_exits(engine: Engine, strategy: Strategy, title: str = "") -> Tagger:
    """``random@STRATEGY`` with its first seed, and with the others in ``reseeded``; for ``title`` see `of_strategy`.

    Raises:
        InputError: if the strategy does not prune, or recovers words.
    """
    if strategy.kind not in CONTROLLERS or strategy.recovery is not None:
        raise InputError(
            f"expected {RANDOM}@ with one of {list(CONTROLLERS)}, without recovery, got {strategy.title!r}; choose one"
        )
    replayed = of_strategy(engine, strategy, title).variant
    tags = [of_engine(partial(tag_batch, engine, strategy, seed=seed)) for seed in range(RANDOM_SEEDS)]
    variant = replace(replayed, title=f"{RANDOM}@{replayed.title}", kind=RANDOM, settings={})
    return Tagger(variant, tags[0], {"name": variant.title, "replays": strategy.to_json()}, tuple(tags[1:]))


def tag_batch(engine: Engine, replayed: Strategy, texts: Sequence[str], seed: int = 0) -> list[Result]:
    """Tags texts in one call; a call under the strategy that is replayed comes first and is not timed."""
    results = engine.tag_batch(texts, replayed, batch_size=len(texts))
    exits = [
        np.random.default_rng([seed, *window_seed(record)]).permutation(record.exit_at)
        for result in results
        for record in result.passes[-1].records
    ]
    return engine.tag_batch(texts, replace(replayed, controller=GivenExits(exits)), batch_size=len(texts))
