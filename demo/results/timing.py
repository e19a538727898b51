"""Times strategies on one text: an answer after one run of each, then as many more as the budget allows.

Strategies take turns, so that noise affects all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from engine import Engine, Result, Strategy

RUNS = 5
BUDGET_S = 1.5  # of all further runs together: other visitors wait meanwhile
MAX_PASS_S = 8.0  # of a first pass
# Characters: a longer text is estimated first, from so many of its own. Words may have a hundred pieces each.
SHORT, PROBE = 10_000, 1_500

Tagger = Callable[[str], Result]
Going = Callable[[], bool]  # whether the result is still wanted


@dataclass(frozen=True)
class Measured:
    """A strategy's result on the text, and how long each run took end-to-end, in milliseconds.

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
        """The other's latency ÷ its own, to two digits, never rounded up."""
        return math.floor(100 * other.latency_ms / self.latency_ms) / 100

    def faster_than(self, other: Measured) -> bool:
        """Whether it was faster in each of ``RUNS`` runs, which chance alone brings about once in 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def tagger(engine: Engine, strategy: Strategy) -> Tagger:
    """Tags a text under a strategy."""
    return partial(engine.tag, strategy=strategy)


def affordable_taggers(text: str, taggers: Sequence[Tagger]) -> tuple[float, int]:
    """How many seconds a first pass will take, and how many of the taggers may take part, from the front.

    Two may in any case. The estimate is from the beginning of the text, as if all were as slow as the first.
    """
    if len(text) <= SHORT:
        return 0.0, len(taggers)
    probe = taggers[0](text[:PROBE])
    seconds = probe.latency.total_ms / 1e3 * len(text) / PROBE
    affordable = min(len(taggers), max(2, int(MAX_PASS_S / seconds)))
    return seconds * affordable, affordable


def first_pass(text: str, taggers: Sequence[Tagger], going: Going = lambda: True) -> list[Measured]:
    """One run of each, without warm-up; fewer, from the front, if the result is not wanted any more."""
    measured: list[Measured] = []
    for tag in taggers:
        if not going():
            break
        result = tag(text)
        measured.append(Measured(result, (result.latency.total_ms,), warm=False))
    return measured


def affordable_rounds(measured: Sequence[Measured]) -> int:
    """How many more runs of all strategies the budget allows, after a first pass: 0 to ``RUNS``."""
    seconds = sum(one.latency_ms for one in measured) / 1e3
    return max(0, min(RUNS, int(BUDGET_S / seconds))) if seconds else RUNS


def more_rounds(text: str, taggers: Sequence[Tagger], rounds: int, going: Going = lambda: True) -> list[Measured]:
    """Timed runs, each round starting with the next strategy; no result if not even one round came to its end."""
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
    """One run of every strategy, then up to ``RUNS`` timed ones."""
    taggers = [tagger(engine, strategy) for strategy in strategies]
    first = first_pass(text, taggers)
    return more_rounds(text, taggers, affordable_rounds(first)) or first
