"""Measures latency: after a discarded pass, variants take turns on each batch, in rotated order."""

import gc
from collections.abc import Callable, Hashable, Sequence
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


def time_variants(
    variants: Sequence[V], batches: int, call: Callable[[V, int], Latency], progress: Callable[[], object]
) -> dict[V, np.ndarray]:
    """Times every variant on every batch ``PASSES`` times, after a discarded pass, and calls ``progress`` each time.

    Returns the milliseconds of each batch, float64 ``(batches,)``: the median over passes.
    """
    times = {variant: np.zeros((PASSES + 1, batches)) for variant in variants}
    for number in range(PASSES + 1):
        gc.collect()
        for batch in range(batches):
            turn = (number + batch) % len(variants)
            for variant in (*variants[turn:], *variants[:turn]):
                times[variant][number, batch] = call(variant, batch).total_ms
                progress()
    return {variant: np.median(per_pass[1:], axis=0) for variant, per_pass in times.items()}


def busy_share() -> float:
    """Share of the processors, 0–1, that other processes use, measured while this one sleeps for a second."""
    return float(psutil.cpu_percent(interval=1)) / 100
