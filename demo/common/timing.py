"""Times strategies on one text: one run of each gives an answer, then they take turns for more runs.

Taking turns, noise affects all of them equally. A range holds the middle 80 % of the runs: a busy machine makes it
wider. Unlike an interval of the median, it still holds what a machine at rest would show, although work beside it
changes the ratio itself (docs/lab/2026-11-30-beside-a-job.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

from engine import Engine, Result, Strategy

RUNS = 41
FEW = 6  # runs that are shown with their whole range

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


def middle(values: Sequence[float]) -> Range:
    """The range of the middle 80 % of values; of fewer than six, their whole range."""
    if len(values) < FEW:
        return min(values), max(values)
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def speedup(own_ms: Sequence[float], other_ms: Sequence[float]) -> Range:
    """How many times as fast the one is as the other, run by run."""
    return middle([other / own for own, other in zip(own_ms, other_ms, strict=True)])


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
