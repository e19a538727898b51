"""Runs strategies on one text, run by run in turn, so that noise hits all alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from engine import Engine, Result, Strategy

RUNS = 5
# Long texts get fewer runs: no new round begins after so many seconds.
BUDGET_S = 30.0


@dataclass(frozen=True)
class Measured:
    """A strategy's result on the text, with the times of the whole call in each round, in milliseconds."""

    result: Result
    runs_ms: tuple[float, ...]

    @property
    def latency_ms(self) -> float:
        """The median over the rounds."""
        return median(self.runs_ms)

    def faster_than(self, other: Measured) -> bool:
        """Whether it was faster in every one of ``RUNS`` rounds, which happens by chance in 1 of 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def measure(engine: Engine, text: str, strategies: Sequence[Strategy]) -> list[Measured]:
    """One discarded round, then up to ``RUNS`` timed ones, each beginning with another strategy."""
    results = [engine.tag(text, strategy) for strategy in strategies]
    times: list[list[float]] = [[] for _ in strategies]
    begin = time.monotonic()
    for turn in range(RUNS):
        if turn and time.monotonic() - begin > BUDGET_S:
            break
        for offset in range(len(strategies)):
            index = (turn + offset) % len(strategies)
            results[index] = engine.tag(text, strategies[index])
            times[index].append(results[index].latency.total_ms)
    return [Measured(result, tuple(runs)) for result, runs in zip(results, times, strict=True)]
