"""Honest timing: all variants interleaved batch by batch in one process, order rotated, after a discarded pass."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.trace import Latency

PASSES = 3


@dataclass
class Times:
    """Milliseconds of each timed pass for each batch, ``[batch][pass]``: the whole call and the encoder alone."""

    total: list[list[float]] = field(default_factory=list)
    encoder: list[list[float]] = field(default_factory=list)

    @property
    def batches(self) -> np.ndarray:
        """Time of each batch, ``(batches,)``: the median over passes."""
        return np.array([statistics.median(times) for times in self.total])

    @property
    def encoder_batches(self) -> np.ndarray:
        """Encoder time of each batch, ``(batches,)``: the median over passes."""
        return np.array([statistics.median(times) for times in self.encoder])


def measure(
    variants: Sequence[str],
    batches: int,
    call: Callable[[str, int], Latency],
    progress: Callable[[], object],
) -> dict[str, Times]:
    """Times every variant on every batch, ``PASSES`` times after a pass that is discarded.

    Args:
        variants: names.
        batches: number of batches.
        call: runs a variant on a batch and says how long it took.
        progress: called after each call.
    """
    times = {name: Times([[] for _ in range(batches)], [[] for _ in range(batches)]) for name in variants}
    for number in range(PASSES + 1):
        gc.collect()
        for batch in range(batches):
            shift = (number + batch) % len(variants)
            for name in (*variants[shift:], *variants[:shift]):
                latency = call(name, batch)
                progress()
                if number:
                    times[name].total[batch].append(latency.total_ms)
                    times[name].encoder[batch].append(latency.encoder_ms)
    return times


def speedup(reference: Times, variant: Times) -> float:
    """Sum over batches of the reference's whole-call time ÷ the same sum for the variant."""
    return float(reference.batches.sum() / variant.batches.sum())
