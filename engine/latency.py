"""Measures latency: after a discarded pass, variants take turns on each batch, in rotated order."""

import gc
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import psutil

PASSES = 3
BUSY = 0.1  # share of the processors in use by others, above which times are doubtful

V = TypeVar("V", bound=Hashable)


@dataclass(frozen=True)
class Latency:
    """Time of one call in milliseconds, end to end. ``texts``: number of texts in the call."""

    total_ms: float
    texts: int


@dataclass(frozen=True)
class Unit:
    """One batch under all variants in one pass. Pass 0 is discarded, and ``PASSES`` timed passes follow."""

    batch_size: int
    pass_number: int
    batch: int

    def order(self, variants: Sequence[V]) -> tuple[V, ...]:
        """The order in which this unit runs the variants."""
        shift = (self.pass_number + self.batch) % len(variants)
        return (*variants[shift:], *variants[:shift])


def units(documents: int, batch_size: int, timed: int | None = None) -> Iterator[Unit]:
    """Yields the units of a corpus at one batch size, pass after pass; times the first ``timed`` documents, or all."""
    timed = documents if timed is None else timed
    for pass_number in range(PASSES + 1):
        for batch in range(-(-(timed if pass_number else documents) // batch_size)):
            yield Unit(batch_size, pass_number, batch)


def time_variants(
    variants: Sequence[V], batches: int, call: Callable[[V, int], Latency], progress: Callable[[], object]
) -> dict[V, np.ndarray]:
    """Times every variant on every batch ``PASSES`` times, after a discarded pass, and calls ``progress`` each time.

    Returns the milliseconds of each batch, float64 ``(batches,)``: the median over passes.
    """
    times = {variant: np.zeros((PASSES + 1, batches)) for variant in variants}
    for unit in units(batches, 1):
        if unit.batch == 0:
            gc.collect()
        for variant in unit.order(variants):
            times[variant][unit.pass_number, unit.batch] = call(variant, unit.batch).total_ms
            progress()
    return {variant: np.median(per_pass[1:], axis=0) for variant, per_pass in times.items()}


def busy_share() -> float:
    """Share of the processors, 0–1, that other processes use, measured while this one sleeps for a second."""
    return float(psutil.cpu_percent(interval=1)) / 100
