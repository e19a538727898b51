"""Controls: as much is computed as under a strategy, but what it computes is chosen at random.

``random@STRATEGY`` lets as many words of each window exit at each gate, and shows what a controller's choice is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Decider
from engine.pruning.gate import Decision, GateView
from engine.pruning.record import Record
from engine.pruning.recovery import Recovery
from engine.pruning.signals import lowest_per_window
from engine.pruning.strategy import Strategy
from engine.pytorch.packing import RaggedBatch
from engine.result import Result
from engine.tagger import Engine
from eval.measure.variants import Tagger, of_engine, of_strategy
from eval.record import title_of
from eval.schema import RANDOM, RANDOM_SEEDS


class _WindowIds:
    """Identifies the windows of a pass by the bytes of their word piece ids, also at gates after rows have exited."""

    def __init__(self) -> None:
        self._by_pass: dict[int, tuple[Any, list[bytes]]] = {}

    def __call__(self, gate: GateView) -> list[bytes]:
        if gate.index == 0:
            batch: RaggedBatch = gate.rows.batch  # type: ignore[attr-defined]  # it runs in PyTorch
            ids = np.split(batch.input_ids, np.cumsum(batch.lengths)[:-1])
            # A pass has one object for its words. Keeping it here prevents another pass from reusing its id.
            self._by_pass[id(gate.words)] = gate.words, [one.tobytes() for one in ids]
        return self._by_pass[id(gate.words)][1]


class Recorder(Decider):
    """A controller that decides like another one and counts the exiting words of each window and gate."""

    def __init__(self, controller: Decider) -> None:
        self.kind = controller.kind
        self.counts: dict[tuple[bytes, int], int] = {}
        self._controller, self._window_ids = controller, _WindowIds()

    def __call__(self, gate: GateView) -> Decision:
        """Decides and counts."""
        decision = self._controller(gate)
        counts = np.bincount(gate.words.window[decision.exits], minlength=len(gate.words.counts))
        self.counts |= {(ids, gate.number): count for ids, count in zip(self._window_ids(gate), counts, strict=True)}
        return decision


class Replay(Decider):
    """A controller that lets as many words exit as a `Recorder` counted.

    It takes the first ones in a random order of each window's words, which depends only on the seed and the window.
    """

    kind = RANDOM

    def __init__(self, counts: Mapping[tuple[bytes, int], int], seed: int) -> None:
        self._counts, self._seed, self._window_ids = counts, seed, _WindowIds()

    def __call__(self, gate: GateView) -> Decision:
        """Decides."""
        windows = self._window_ids(gate)
        order = np.concatenate([self._draw(*one) for one in zip(windows, gate.words.counts.tolist(), strict=True)])
        counts = np.array([self._counts.get((ids, gate.number), 0) for ids in windows])
        return Decision(lowest_per_window(order, gate.alive, gate.words.window, counts), order)

    def _draw(self, ids: bytes, words: int) -> np.ndarray:
        pieces = np.frombuffer(ids, dtype=np.int64)
        seed = (self._seed * 1_000_003 + int(pieces.sum()) * 8191 + len(pieces)) % 2**63
        return torch.rand(words, generator=torch.Generator().manual_seed(seed)).numpy()


class RandomWords(Recovery):
    """Recovery that brings back as many words of each window as it would otherwise, but chooses them at random."""

    def choose(self, record: Record) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        window = record.words.window
        counts = np.bincount(window[super().choose(record)], minlength=len(record.rows))
        order = np.random.default_rng(len(window)).random(len(window))
        return lowest_per_window(order, ~record.alive, window, counts)


def random_exits(engine: Engine, name: str, strategy: Strategy) -> Tagger:
    """``random@STRATEGY`` with its first seed, and with the others in ``reseeded``.

    Raises:
        InputError: if the strategy does not prune, or recovers words.
    """
    if strategy.kind not in CONTROLLERS or strategy.recovery is not None:
        raise InputError(
            f"expected {RANDOM}@ with one of {list(CONTROLLERS)}, without recovery, got {name[:60]!r}; choose one"
        )
    title = f"{RANDOM}@{title_of(strategy)}"
    tags = [of_engine(partial(tag_batch, engine, title, strategy, seed=seed)) for seed in range(RANDOM_SEEDS)]
    variant = replace(of_strategy(engine, strategy).variant, title=title, kind=RANDOM, settings={})
    return Tagger(variant, tags[0], {"name": title, "replays": strategy.to_json()}, tuple(tags[1:]))


def tag_batch(engine: Engine, name: str, replayed: Strategy, texts: Sequence[str], seed: int = 0) -> list[Result]:
    """Tags texts in one call; a call under the strategy that is replayed comes first and is not timed."""
    assert replayed.controller is not None, "a strategy that prunes has a controller"
    recorder = Recorder(replayed.controller)
    engine.tag_batch(texts, replace(replayed, controller=recorder), batch_size=len(texts))
    replay = replace(replayed, name=name, point="", controller=Replay(recorder.counts, seed))
    return engine.tag_batch(texts, replay, batch_size=len(texts))
