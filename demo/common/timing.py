"""Times strategies on one text: one run of each gives an answer, then they take turns for more runs.

Taking turns, noise affects all of them equally. A range is the 95 % interval of the median: a busy machine makes it
wider, not wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from statistics import median

from engine import Engine, Result, Strategy

RUNS = 41

Range = tuple[float, float]  # lowest and highest
Tagger = Callable[[str], Result]
Wanted = Callable[[], bool]  # whether the result is still wanted


@dataclass(frozen=True)
class Budget:
    """Limits on the runs after the first.

    ``seconds``: after these, no further round of runs begins. ``least``: number of rounds even if they take longer.
    """

    seconds: float
    least: int


PAGE = Budget(seconds=6.0, least=3)
UNTIMED = Budget(seconds=0.0, least=1)  # a round that prepares what later ones use


@dataclass(frozen=True)
class Timing:
    """A strategy's result on the text, and the end-to-end time of each run in milliseconds."""

    result: Result
    runs_ms: tuple[float, ...]

    @property
    def latency_ms(self) -> float:
        """The median over the runs."""
        return median(self.runs_ms)


def median_interval(values: Sequence[float]) -> Range:
    """The 95 % interval of the median by order statistics; of fewer than six values, their whole range."""
    ranked, runs = sorted(values), len(values)
    at_most = [sum(comb(runs, below) for below in range(rank + 1)) / 2**runs for rank in range(runs // 2)]
    cut = max(0, sum(chance <= 0.025 for chance in at_most) - 1)
    return ranked[cut], ranked[runs - 1 - cut]


def speedup(own_ms: Sequence[float], other_ms: Sequence[float]) -> Range:
    """How many times as fast the one is as the other, run by run."""
    return median_interval([other / own for own, other in zip(own_ms, other_ms, strict=True)])


def tagger(engine: Engine, strategy: Strategy) -> Tagger:
    """A function that tags a text with a strategy."""
    return partial(engine.tag, strategy=strategy)


def pace(engine: Engine, text: str) -> float:
    """Seconds that dense takes for a character of such a text."""
    engine.tag(text, "dense")  # the first run prepares what later ones use
    return engine.tag(text, "dense").latency.total_ms / 1e3 / len(text)


def first_pass(text: str, taggers: Sequence[Tagger], wanted: Wanted = lambda: True) -> list[Timing]:
    """Runs each tagger once, without warm-up; stops early if the result is no longer wanted."""
    timings: list[Timing] = []
    for tag in taggers:
        if not wanted():
            break
        result = tag(text)
        timings.append(Timing(result, (result.latency.total_ms,)))
    return timings


def in_turns(timers: Sequence[Callable[[], float]], budget: Budget, wanted: Wanted = lambda: True) -> list[list[float]]:
    """Calls functions that return milliseconds, each round beginning with the next one, at most ``RUNS`` rounds.

    Stops early if the result is no longer wanted; an unfinished round does not count.

    Returns:
        The milliseconds of each function in each finished round.
    """
    runs: list[list[float]] = [[] for _ in timers]
    begin = time.monotonic()
    for number in range(RUNS):
        if number >= budget.least and time.monotonic() - begin >= budget.seconds:
            break
        found: dict[int, float] = {}
        for place in range(len(timers)):
            if not wanted():
                return runs
            index = (number + place) % len(timers)
            found[index] = timers[index]()
        for index, milliseconds in found.items():
            runs[index].append(milliseconds)
    return runs


def more_rounds(text: str, taggers: Sequence[Tagger], budget: Budget, wanted: Wanted = lambda: True) -> list[Timing]:
    """Times further runs in turns; empty if no round was finished."""
    results: dict[int, Result] = {}

    def timer(index: int) -> float:
        results[index] = taggers[index](text)
        return results[index].latency.total_ms

    runs = in_turns([partial(timer, index) for index in range(len(taggers))], budget, wanted)
    return [Timing(results[index], tuple(of)) for index, of in enumerate(runs) if of]
