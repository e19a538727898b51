"""Times strategies on one text. They take turns, so that noise affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from engine import Engine, Result, Strategy

RUNS = 5
# A text that takes long gets fewer runs: none starts after this many seconds.
BUDGET_S = 30.0


@dataclass(frozen=True)
class Measured:
    """A strategy's result on the text, and how long each run took end-to-end, in milliseconds."""

    result: Result
    runs_ms: tuple[float, ...]

    @property
    def latency_ms(self) -> float:
        """The median over the runs."""
        return median(self.runs_ms)

    def faster_than(self, other: Measured) -> bool:
        """Whether it was faster in each of ``RUNS`` runs, which chance alone brings about once in 32 comparisons."""
        return len(self.runs_ms) >= RUNS and all(a < b for a, b in zip(self.runs_ms, other.runs_ms, strict=True))


def measure(engine: Engine, text: str, strategies: Sequence[Strategy]) -> list[Measured]:
    """One untimed run of every strategy, then up to ``RUNS`` timed ones, each round starting with the next strategy."""
    results = [engine.tag(text, strategy) for strategy in strategies]
    times: list[list[float]] = [[] for _ in strategies]
    begin = time.monotonic()
    for run in range(RUNS):
        if run and time.monotonic() - begin > BUDGET_S:
            break
        for offset in range(len(strategies)):
            index = (run + offset) % len(strategies)
            results[index] = engine.tag(text, strategies[index])
            times[index].append(results[index].latency.total_ms)
    return [Measured(result, tuple(runs)) for result, runs in zip(results, times, strict=True)]
