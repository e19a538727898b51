"""Controls: as much is computed as under a strategy, but what it computes is chosen at random.

``random@STRATEGY`` lets as many words of each window exit at each gate, and shows what a controller's choice is worth.
``random-windows@CASCADE`` gives the large model as many words, and shows whether doubt chooses better than chance;
words are counted over the whole corpus, because most documents have a single window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.cascade import Cascade, JudgedWindow
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Decider
from engine.pruning.gate import Decision, GateView
from engine.pruning.signals import lowest_per_window
from engine.pruning.strategy import Strategy
from engine.pytorch.packing import RaggedBatch
from engine.result import Result
from engine.tagger import Engine
from engine.text.windows import Window
from eval.measure.variants import Tagger, of_engine, of_strategy
from eval.schema import CASCADE, RANDOM, RANDOM_SEEDS, RANDOM_WINDOWS

CALL = 32  # texts that are judged together
NOTHING = 1e6  # a doubt that no window reaches


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


def random_exits(engine: Engine, name: str, strategy: Strategy, _: Sequence[str] = ()) -> Tagger:
    """``random@STRATEGY`` with its first seed, and with the others in ``reseeded``.

    Raises:
        InputError: if the strategy does not prune, recovers words, or is a cascade.
    """
    if strategy.kind not in CONTROLLERS or strategy.recovery is not None:
        raise InputError(
            f"expected {RANDOM}@ with one of {list(CONTROLLERS)}, without recovery, got {name[:60]!r}; choose one"
        )
    return _seeded(engine, name, strategy, partial(tag_batch, engine, name, strategy))


def _seeded(engine: Engine, name: str, strategy: Strategy, tag: Callable[..., list[Result]]) -> Tagger:
    """The control of a strategy, which tags texts with a seed: with the first, and with the others in ``reseeded``."""
    first, *others = (of_engine(partial(tag, seed=seed)) for seed in range(RANDOM_SEEDS))
    variant = replace(of_strategy(engine, strategy).variant, name=name, kind=RANDOM, settings={})
    return Tagger(variant, first, {"name": name, "replays": strategy.to_json()}, tuple(others))


def tag_batch(engine: Engine, name: str, replayed: Strategy, texts: Sequence[str], seed: int = 0) -> list[Result]:
    """Tags texts in one call; a call under the strategy that is replayed comes first and is not timed."""
    assert replayed.controller is not None, "a strategy that prunes has a controller"
    recorder = Recorder(replayed.controller)
    engine.tag_batch(texts, replace(replayed, controller=recorder), batch_size=len(texts))
    replay = replace(replayed, name=name, point="", controller=Replay(recorder.counts, seed))
    return engine.tag_batch(texts, replay, batch_size=len(texts))


@dataclass(frozen=True, kw_only=True)
class RandomWindows(Cascade):
    """A cascade whose large model reads the windows with the keys ``drawn``, whatever the small one doubts."""

    drawn: frozenset[bytes]

    def judge(self, probabilities: np.ndarray, windows: Sequence[Window]) -> tuple[JudgedWindow, ...]:
        """Lets the large model read the windows that were drawn."""
        judged = super().judge(probabilities, windows)
        return tuple(replace(one, read=key(window) in self.drawn) for one, window in zip(judged, windows, strict=True))


def key(window: Window) -> bytes:
    """Identifies a window by its word pieces."""
    return window.input_ids.tobytes()


def judge(engine: Engine, cascade: Cascade, texts: Sequence[str]) -> dict[bytes, JudgedWindow]:
    """Judges all windows of texts, by `key`; the large model does not run."""
    found = {}
    for begin in tqdm(range(0, len(texts), CALL), desc=f"windows of {cascade.name}", disable=None):
        for result in engine.tag_batch(texts[begin : begin + CALL], replace(cascade, threshold=NOTHING)):
            assert result.judgement is not None, "a cascade judges"
            for window, one in zip(result.judgement.windows, result.judgement.judged, strict=True):
                found[key(window)] = replace(one, read=one.doubt >= cascade.threshold)
    return found


def draw(judged: Mapping[bytes, JudgedWindow], seed: int) -> frozenset[bytes]:
    """Draws windows until they have as many words as those that are read."""
    windows = list(judged.items())
    wanted = sum(one.end - one.first for one in judged.values() if one.read)
    drawn: list[bytes] = []
    for index in np.random.default_rng(seed).permutation(len(windows)):
        if wanted <= 0:
            break
        name, one = windows[index]
        drawn.append(name)
        wanted -= one.end - one.first
    return frozenset(drawn)


def random_windows(engine: Engine, name: str, strategy: Strategy, texts: Sequence[str]) -> Tagger:
    """``random-windows@CASCADE`` with its first seed, and with the others in ``reseeded``.

    ``texts``: those of the corpus.

    Raises:
        InputError: if the strategy is no cascade.
    """
    if not isinstance(strategy, Cascade):
        raise InputError(f"expected {RANDOM_WINDOWS}@ with a {CASCADE}, got {name[:60]!r}; write e.g. @cascade:fast")
    judged = cache(partial(judge, engine, strategy, texts))

    @cache
    def strategy_of(seed: int) -> RandomWindows:
        return RandomWindows(**vars(strategy) | {"name": name, "point": ""}, drawn=draw(judged(), seed))

    def tag(texts: Sequence[str], seed: int) -> list[Result]:
        return engine.tag_batch(texts, strategy_of(seed), batch_size=len(texts))

    return _seeded(engine, name, strategy, tag)


# By name: functions of an engine, the name as typed, the strategy after ``@``, and the texts of the corpus.
CONTROLS: dict[str, Callable[[Engine, str, Strategy, Sequence[str]], Tagger]] = {
    RANDOM: random_exits,
    RANDOM_WINDOWS: random_windows,
}
