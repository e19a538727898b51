"""Times strategies on one text: one run of each gives an answer, then as many more as the budget allows.

Strategies take turns, so that noise affects them equally.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from engine import Engine, Result, Strategy

RUNS = 5
LEAST_RUNS = 3  # for a speed-up
MARGIN = 1.05  # how far a measured speed-up may exceed the theoretical one
STEADY = 1.4  # largest ratio of the slowest run to the fastest

Tagger = Callable[[str], Result]
Wanted = Callable[[], bool]  # whether the result is still wanted


@dataclass(frozen=True)
class Budget:
    """Limits on the time that a comparison takes.

    ``first_s``: seconds for the first pass. ``more_s``: seconds for all further runs together.
    ``least``: number of further runs, even if they take longer.
    ``short``, ``probe``: characters; the time of a text longer than ``short`` is estimated from its first ``probe``,
    because a word may have a hundred word pieces.
    """

    first_s: float = 8.0
    more_s: float = 1.5
    least: int = LEAST_RUNS
    short: int = 10_000
    probe: int = 1_500


PAGE = Budget()
API = Budget(least=0)


@dataclass(frozen=True)
class Timing:
    """A strategy's result on the text, and the end-to-end time of each run in milliseconds.

    ``warm``: whether an untimed run came first.
    """

    result: Result
    runs_ms: tuple[float, ...]
    warm: bool = True

    @property
    def latency_ms(self) -> float:
        """The median over the runs."""
        return median(self.runs_ms)

    @property
    def steady(self) -> bool:
        """Whether all runs took about as long: the slowest at most ``STEADY`` times the fastest.

        Only then may a figure be large or bold.
        """
        return max(self.runs_ms) <= STEADY * min(self.runs_ms)

    @property
    def typical(self) -> bool:
        """Whether the median tells how long a run takes: runs are steady, in ``RUNS`` runs all but the slowest."""
        runs = sorted(self.runs_ms)
        return runs[-2 if len(runs) >= RUNS else -1] <= STEADY * runs[0]

    def speedup_over(self, other: Timing) -> float:
        """The other's latency ÷ this one's, rounded down to two decimals."""
        return math.floor(100 * other.latency_ms / self.latency_ms) / 100

    def faster_than(self, other: Timing) -> bool:
        """Whether it was faster in each of ``RUNS`` runs; chance alone does this once in 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def tagger(engine: Engine, strategy: Strategy) -> Tagger:
    """A function that tags a text with a strategy."""
    return partial(engine.tag, strategy=strategy)


def estimate(text: str, taggers: Sequence[Tagger], budget: Budget) -> tuple[float, int]:
    """Estimates the seconds of the first pass, and how many of the taggers, from the front, the budget allows.

    Two are always allowed. The estimate is 0 for a short text and assumes that all are as slow as the first tagger.
    """
    if len(text) <= budget.short:
        return 0.0, len(taggers)
    probe = taggers[0](text[: budget.probe])
    seconds = probe.latency.total_ms / 1e3 * len(text) / budget.probe
    allowed = min(len(taggers), max(2, int(budget.first_s / seconds)))
    return seconds * allowed, allowed


def first_pass(text: str, taggers: Sequence[Tagger], wanted: Wanted = lambda: True) -> list[Timing]:
    """Runs each tagger once, without warm-up; stops early if the result is no longer wanted."""
    timings: list[Timing] = []
    for tag in taggers:
        if not wanted():
            break
        result = tag(text)
        timings.append(Timing(result, (result.latency.total_ms,), warm=False))
    return timings


def affordable_rounds(first: Sequence[Timing], budget: Budget) -> int:
    """The number of further runs after the first pass: as many as the budget allows, at most ``RUNS``."""
    seconds = sum(one.latency_ms for one in first) / 1e3
    return max(budget.least, min(RUNS, int(budget.more_s / seconds))) if seconds else RUNS


def more_rounds(text: str, taggers: Sequence[Tagger], rounds: int, wanted: Wanted = lambda: True) -> list[Timing]:
    """Times further runs; each round starts with the next strategy.

    Stops early if the result is no longer wanted; an unfinished round does not count. Empty if no round was finished.
    """
    runs: list[tuple[float, ...]] = [()] * len(taggers)
    finished: list[Timing] = []
    for number in range(rounds):
        found: dict[int, Result] = {}
        for place in range(len(taggers)):
            if not wanted():
                return finished
            index = (number + place) % len(taggers)
            found[index] = taggers[index](text)
        runs = [(*before, found[index].latency.total_ms) for index, before in enumerate(runs)]
        finished = [Timing(found[index], of) for index, of in enumerate(runs)]
    return finished


def time_strategies(engine: Engine, text: str, strategies: Sequence[Strategy], budget: Budget = API) -> list[Timing]:
    """Runs every strategy once, then up to ``RUNS`` more times."""
    taggers = [tagger(engine, strategy) for strategy in strategies]
    first = first_pass(text, taggers)
    return more_rounds(text, taggers, affordable_rounds(first, budget)) or first
