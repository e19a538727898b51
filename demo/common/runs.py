"""A run: one text under several strategies, each tagged once, then timed in turns. All tabs show the same run.

Taking turns, noise affects all strategies equally. A range holds the middle 80 % of the rounds: a busy machine makes it
wider. Unlike an interval of the median, it still holds what a machine at rest would show, although work beside it
changes the ratio itself (docs/lab/2026-11-30-beside-a-job.md).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from threading import Lock
from typing import Any

from demo.common.differences import Compared
from demo.common.markup import number_of
from demo.settings import Chosen
from engine import Engine, Result, Strategy

ROUNDS = 31
SECONDS = 4.0  # after these, no further round begins
FEW = 6  # rounds that are shown with their whole range

Range = tuple[float, float]  # lowest and highest
_LOCK = Lock()


class CallCancelledError(Exception):
    """The result of a call is no longer wanted."""


@dataclass(frozen=True, eq=False)
class Run:
    """What a request found.

    ``number``: the request's. ``compared``: the strategies in page order, dense first. ``ended``: whether it was
    cancelled before it was timed.
    """

    number: int
    text: str
    compared: tuple[Compared, ...]
    ended: bool = False

    @property
    def timed(self) -> bool:
        return bool(self.compared[0].runs_ms)

    def shown(self, name: str) -> Compared:
        """The strategy of this name, or the last one."""
        return next((outcome for outcome in self.compared if outcome.name == name), self.compared[-1])


def tag_batch(engine: Engine, texts: Sequence[str], strategy: Strategy, **settings: Any) -> list[Result]:
    """Tags texts as `Engine.tag_batch` does, one call at a time, so that visitors do not distort each other's times."""
    with _LOCK:
        return engine.tag_batch(texts, strategy, **settings)


def run_text(
    engine: Engine,
    text: str,
    strategies: Sequence[Chosen],
    number: int = 0,
    wanted: Callable[[], bool] = lambda: True,
    progress: Callable[[float, str], object] = lambda share, said: None,
) -> Iterator[Run]:
    """Yields the run once every strategy has tagged the text, and again once they have been timed.

    The first round prepares what later ones use, and is not timed.

    Args:
        strategies: dense first.
        wanted: whether the result is still wanted; asked after each window.
        progress: called after each window of the first round with the share that is done, 0–1, and with words for it.

    Raises:
        CallCancelledError: the result is no longer wanted.
    """

    def tag(chosen: Chosen, place: int | None = None) -> Result:
        """Tags the text; ``place``: that of the strategy in the first round."""

        def on_window(done: int, windows: int) -> None:
            if not wanted():
                raise CallCancelledError
            if place is not None:
                share = (place + done / windows) / len(strategies)
                progress(share, f"{chosen.name}: {done} of {number_of(windows, 'window')}")

        if not wanted():
            raise CallCancelledError
        (result,) = tag_batch(engine, [text], chosen.strategy, on_window=on_window)
        return result

    def run() -> Run:
        triples = zip(strategies, results, map(tuple, rounds), strict=True)
        return Run(number, text, tuple(Compared(*triple, results[0], tuple(rounds[0])) for triple in triples))

    results = [tag(chosen, place) for place, chosen in enumerate(strategies)]
    rounds: list[list[float]] = [[] for _ in strategies]
    yield run()
    end = time.monotonic() + SECONDS
    for turn in range(1, ROUNDS + 1):
        for place in range(len(strategies)):
            index = (turn + place) % len(strategies)
            rounds[index].append(tag(strategies[index]).latency.total_ms)
        if time.monotonic() >= end:
            break
    yield run()


def middle(values: Sequence[float]) -> Range:
    """The range of the middle 80 % of values; of fewer than six, their whole range."""
    if len(values) < FEW:
        return min(values), max(values)
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def speedup(own_ms: Sequence[float], other_ms: Sequence[float]) -> Range:
    """How many times as fast the one is as the other, round by round."""
    return middle([other / own for own, other in zip(own_ms, other_ms, strict=True)])


def span(ends: Range) -> str:
    """A range with two digits, as one number if both ends are alike."""
    digits = 0 if ends[0] >= 10 else 1
    low, high = (f"{end:.{digits}f}" for end in ends)
    return low if low == high else f"{low}–{high}"
