"""Taggers: each tags texts under a strategy, a control or another model; `eval.measure.baselines` has the baselines.

A control computes as much as a strategy but chooses it at random, which shows what a controller's choice is worth.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from engine.base import Engine
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.policies import GivenExits
from engine.pruning.record import WindowRecord
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.result import Result
from eval.record import Tagged, Variant
from eval.schema import DENSE, MODEL, RANDOM, RANDOM_SEEDS

REST_S = 0.01  # before every call, because idle threads of what ran before spin for milliseconds and slow it


@dataclass(eq=False)
class Tagger(ABC):
    """Tags texts under a variant."""

    variant: Variant
    threads: int = field(default_factory=torch.get_num_threads, kw_only=True)  # of torch during its calls
    seeds: int = field(default=1, kw_only=True)  # under which it tags; only the first is timed
    # Frees what calls have loaded; it is loaded again when needed.
    release: Callable[[], object] = field(default=lambda: None, kw_only=True)

    @abstractmethod
    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Result] | Sequence[Tagged]]:
        """Returns the call that tags texts, and that is timed, after what has to come before it."""

    def tag(self, texts: Sequence[str], seed: int = 0) -> tuple[list[Tagged], float]:
        """Returns what it finds in texts in one call, and its milliseconds, from texts to entities."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            call = self.prepare(texts, seed)
            time.sleep(REST_S)
            begin = time.perf_counter()
            found = call()
            ms = (time.perf_counter() - begin) * 1e3
        finally:
            torch.set_num_threads(before)
        whole = self.variant.strategy is not None
        return [Tagged(one.entities, one.paths, one.cost) if whole else Tagged(one.entities) for one in found], ms


@dataclass(eq=False)
class EngineTagger(Tagger):
    """Tags with a strategy of an engine."""

    engine: Engine
    strategy: Strategy

    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Result]]:
        return partial(self.engine.tag_batch, texts, self.strategy, batch_size=len(texts))


def of_strategy(engine: Engine, strategy: Strategy, title: str = "") -> EngineTagger:
    """A strategy of the engine; ``title``: its name in the report, by default its own."""
    record = strategy.to_json() if strategy.settings() else {}
    shown = {key: value for key, value in record.items() if key not in ("name", "point")}
    layers = tuple(stage.sizes.layers for stage in engine.stages_of(strategy))
    about = engine.dtype, engine.device, strategy, shown, layers
    return EngineTagger(Variant(title or strategy.title, strategy.kind, *about), engine, strategy)


def of_model(name: str, engine: Engine, strategy: Strategy) -> EngineTagger:
    """Another model, e.g. with fewer layers, under one of its strategies; its costs cannot be compared with ours."""
    settings = {"dtype": engine.dtype, "layers": str(engine.sizes.layers), "weights": engine.digest[:16]}
    if strategy.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())
    variant = Variant(name, MODEL, engine.dtype, engine.device, settings=settings)
    return EngineTagger(variant, engine, strategy)


class RandomExits(EngineTagger):
    """The control of its strategy: as many words of each window exit at each gate, but chosen at random.

    Raises an `InputError` if the strategy does not prune, or recovers words.
    """

    def __init__(self, engine: Engine, strategy: Strategy, title: str = "", seeds: int = RANDOM_SEEDS) -> None:
        if strategy.kind not in CONTROLLERS or strategy.recovery is not None:
            wanted = f"{RANDOM}@ with one of {list(CONTROLLERS)}, without recovery"
            raise InputError(f"expected {wanted}, got {strategy.title!r}; choose one")
        replayed = of_strategy(engine, strategy, title).variant
        variant = replace(replayed, title=f"{RANDOM}@{replayed.title}", kind=RANDOM, settings={})
        super().__init__(variant, engine, strategy, seeds=seeds)

    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Result]]:
        exits = [
            np.random.default_rng([seed, *window_seed(record)]).permutation(record.exit_at)
            for result in super().prepare(texts, seed)()
            for record in result.passes[-1].records
        ]
        given = replace(self.strategy, controller=GivenExits(exits), point="")
        return partial(self.engine.tag_batch, texts, given, batch_size=len(texts))


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
