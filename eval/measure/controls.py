"""Controls: as much is computed as under a strategy, but what it computes is chosen at random.

``random@STRATEGY`` lets as many words of each window exit at each gate, and shows what a controller's choice is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.record import Record
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.tagger import Engine
from eval.measure.variants import Tagger, of_engine, of_strategy
from eval.record import title_of
from eval.schema import RANDOM, RANDOM_SEEDS


class RandomWords(Recovery):
    """Recovery that brings back as many words of each window as it would otherwise, but chooses them at random."""

    def choose(self, record: Record) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        exited = np.flatnonzero(record.exited)
        chosen = np.zeros(len(record.exited), dtype=bool)
        generator = np.random.default_rng(window_seed(record))
        chosen[generator.choice(exited, int(super().choose(record).sum()), replace=False)] = True
        return chosen


def window_seed(record: Record) -> list[int]:
    """A seed that depends on the window alone."""
    pieces = record.window.input_ids
    return [int(pieces.sum()), len(pieces)]


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
    results = engine.tag_batch(texts, replayed, batch_size=len(texts))
    exits = [
        np.random.default_rng([seed, *window_seed(record)]).permutation(record.exit_at)
        for result in results
        for record in result.records
    ]
    return engine.tag_with_exits(texts, replace(replayed, name=name, point=""), exits)
