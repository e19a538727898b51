"""Times strategies on one text: one run of each gives an answer, then as many more as the budget allows.

Strategies take turns, so noise affects them equally.
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
STEADY = 1.4  # ratio of the slowest run, the very slowest apart, to the fastest

Tagger = Callable[[str], Result]
Going = Callable[[], bool]  # says whether the result is still wanted


@dataclass(frozen=True)
class Budget:
    """How long it may take.

    ``first_s``: seconds for the first pass. ``more_s``: seconds for all further runs together.
    ``least``: further runs, even if they take longer.
    ``short``, ``probe``: characters; the time of a text longer than ``short`` is estimated from its first ``probe``.
    Words may have a hundred pieces.
    """

    first_s: float = 8.0
    more_s: float = 1.5
    least: int = LEAST_RUNS
    short: int = 10_000
    probe: int = 1_500


PAGE = Budget()
API = Budget(least=0)


@dataclass(frozen=True)
class Measured:
    """A strategy's result on the text, and the end-to-end time of each run in milliseconds.

    ``warm``: an untimed run came first.
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
        """Whether all runs but the slowest took about as long."""
        runs = sorted(self.runs_ms)
        return runs[-2] <= STEADY * runs[0] if len(runs) > 1 else True

    def speedup_over(self, other: Measured) -> float:
        """The other's latency ÷ this one's, rounded down to two decimals."""
        return math.floor(100 * other.latency_ms / self.latency_ms) / 100

    def faster_than(self, other: Measured) -> bool:
        """Whether it was faster in each of ``RUNS`` runs; chance alone does this once in 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def tagger(engine: Engine, strategy: Strategy) -> Tagger:
    """Returns a function that tags a text with a strategy."""
    return partial(engine.tag, strategy=strategy)


def affordable_taggers(text: str, taggers: Sequence[Tagger], budget: Budget = PAGE) -> tuple[float, int]:
    """The seconds that the first pass will take, and how many of the taggers, from the front, can take part.

    Two always can. The estimate uses the beginning of the text and assumes that all are as slow as the first.
    """
    if len(text) <= budget.short:
        return 0.0, len(taggers)
    probe = taggers[0](text[: budget.probe])
    seconds = probe.latency.total_ms / 1e3 * len(text) / budget.probe
    affordable = min(len(taggers), max(2, int(budget.first_s / seconds)))
    return seconds * affordable, affordable


def first_pass(text: str, taggers: Sequence[Tagger], going: Going = lambda: True) -> list[Measured]:
    """Runs each once, without warm-up; stops early if the result is no longer wanted."""
    measured: list[Measured] = []
    for tag in taggers:
        if not going():
            break
        result = tag(text)
        measured.append(Measured(result, (result.latency.total_ms,), warm=False))
    return measured


def affordable_rounds(measured: Sequence[Measured], budget: Budget = PAGE) -> int:
    """The number of further runs after the first pass: as many as the budget allows, at most ``RUNS``."""
    seconds = sum(one.latency_ms for one in measured) / 1e3
    return max(budget.least, min(RUNS, int(budget.more_s / seconds))) if seconds else RUNS


def more_rounds(text: str, taggers: Sequence[Tagger], rounds: int, going: Going = lambda: True) -> list[Measured]:
    """Timed runs; each round starts with the next strategy. Empty if no round was completed."""
    results: list[Result] = []
    times: list[list[float]] = []
    for number in range(rounds):
        order = [(number + offset) % len(taggers) for offset in range(len(taggers))]
        found: dict[int, Result] = {}
        for index in order:
            if not going():
                return _measured(results, times)
            found[index] = taggers[index](text)
        results = [found[index] for index in range(len(taggers))]
        times.append([result.latency.total_ms for result in results])
    return _measured(results, times)


def _measured(results: Sequence[Result], times: Sequence[Sequence[float]]) -> list[Measured]:
    return [Measured(result, tuple(runs)) for result, runs in zip(results, zip(*times, strict=True), strict=True)]


def measure(engine: Engine, text: str, strategies: Sequence[Strategy], budget: Budget = API) -> list[Measured]:
    """Runs every strategy once, then up to ``RUNS`` more times."""
    taggers = [tagger(engine, strategy) for strategy in strategies]
    first = first_pass(text, taggers)
    return more_rounds(text, taggers, affordable_rounds(first, budget)) or first
