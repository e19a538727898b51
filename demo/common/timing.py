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
BUDGET_S = 1.5  # for all further runs together: other visitors are waiting
MAX_PASS_S = 8.0  # for the first pass
# Characters: the time of a text longer than SHORT is estimated from its first PROBE. Words may have a hundred pieces.
SHORT, PROBE = 10_000, 1_500

Tagger = Callable[[str], Result]
Going = Callable[[], bool]  # says whether the result is still wanted


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

    def speedup_over(self, other: Measured) -> float:
        """The other's latency ÷ this one's, rounded down to two decimals."""
        return math.floor(100 * other.latency_ms / self.latency_ms) / 100

    def faster_than(self, other: Measured) -> bool:
        """Whether it was faster in each of ``RUNS`` runs; chance alone does this once in 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def tagger(engine: Engine, strategy: Strategy) -> Tagger:
    """Returns a function that tags a text with a strategy."""
    return partial(engine.tag, strategy=strategy)


def affordable_taggers(text: str, taggers: Sequence[Tagger]) -> tuple[float, int]:
    """The seconds that the first pass will take, and how many of the taggers, from the front, can take part.

    Two always can. The estimate uses the beginning of the text and assumes that all are as slow as the first.
    """
    if len(text) <= SHORT:
        return 0.0, len(taggers)
    probe = taggers[0](text[:PROBE])
    seconds = probe.latency.total_ms / 1e3 * len(text) / PROBE
    affordable = min(len(taggers), max(2, int(MAX_PASS_S / seconds)))
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


def affordable_rounds(measured: Sequence[Measured]) -> int:
    """The number of further runs, 0 to ``RUNS``, that the budget allows after the first pass."""
    seconds = sum(one.latency_ms for one in measured) / 1e3
    return max(0, min(RUNS, int(BUDGET_S / seconds))) if seconds else RUNS


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


def measure(engine: Engine, text: str, strategies: Sequence[Strategy]) -> list[Measured]:
    """Runs every strategy once, then up to ``RUNS`` more times."""
    taggers = [tagger(engine, strategy) for strategy in strategies]
    first = first_pass(text, taggers)
    return more_rounds(text, taggers, affordable_rounds(first)) or first
