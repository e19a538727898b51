"""The control ``random-windows``: the large model of a cascade reads as many words, but in windows chosen at random.

It shows whether doubt chooses better than chance. Words are counted over the whole corpus, because most documents have
a single window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from tqdm import tqdm

from engine.cascade import Cascade, JudgedWindow
from engine.errors import InputError
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.tagger import Engine
from engine.text.windows import Window
from eval.measure.variants import Tagger, of_engine, of_strategy
from eval.schema import CASCADE, RANDOM, RANDOM_SEEDS, RANDOM_WINDOWS

CALL = 32  # texts that are judged together
NOTHING = 1e6  # a doubt that no window reaches


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


def load(engine: Engine, name: str, strategy: Strategy, texts: Sequence[str]) -> Tagger:
    """``random-windows`` or ``random-windows@CASCADE``, as typed, with its first seed, and others in ``reseeded``.

    ``texts``: those of the corpus.

    Raises:
        InputError: if the strategy is no cascade.
    """
    if not isinstance(strategy, Cascade):
        raise InputError(f"expected {RANDOM_WINDOWS}@ with a {CASCADE}, got {name[:60]!r}; write e.g. @cascade:fast")
    cascade = strategy
    judged = cache(partial(judge, engine, cascade, texts))

    @cache
    def strategy_of(seed: int) -> RandomWindows:
        return RandomWindows(**vars(cascade) | {"name": name, "point": ""}, drawn=draw(judged(), seed))

    def tag_batch(seed: int, texts: Sequence[str]) -> list[Result]:
        return engine.tag_batch(texts, strategy_of(seed), batch_size=len(texts))

    first, *others = (of_engine(partial(tag_batch, seed)) for seed in range(RANDOM_SEEDS))
    variant = replace(of_strategy(engine, cascade).variant, name=name, kind=RANDOM, settings={})
    return Tagger(variant, first, {"name": name, "replays": cascade.to_json()}, tuple(others))
