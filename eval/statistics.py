"""Paired bootstrap over documents (Efron & Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.scoring import Counts

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference with this interval is more than chance."""
        return self.low > 0 or self.high < 0


def f1_interval(runs: Sequence[Sequence[Counts]], seed: int) -> Interval:
    """Interval of the mean F1 of some runs (one for each seed) over the same documents."""
    return _interval(_resampled_f1(runs, seed))


def f1_difference_interval(
    runs: Sequence[Sequence[Counts]], reference: Sequence[Sequence[Counts]], seed: int
) -> Interval:
    """Interval of mean F1 of ``runs`` minus that of ``reference``; both are resampled alike."""
    return _interval(_resampled_f1(runs, seed) - _resampled_f1(reference, seed))


def _interval(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))


def _resampled_f1(runs: Sequence[Sequence[Counts]], seed: int) -> np.ndarray:
    documents = len(runs[0])
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(documents, np.full(documents, 1 / documents), size=RESAMPLES)
    scores = []
    for run in runs:
        table = np.array([(c.correct, c.predicted + c.gold) for c in run], dtype=float)
        correct, size = (weights @ table).T
        scores.append(2 * correct / np.maximum(size, 1))
    return np.mean(scores, axis=0)
