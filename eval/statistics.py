"""Paired bootstrap over documents, and over batches for times (Efron & Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from engine.text.scoring import Counts

RESAMPLES = 2000
# With fewer documents or batches there is no interval: resampling one always gives the same one.
FEWEST = 5
# With fewer, 95 % intervals cover less often: about 84 % of cases with 5 batches (docs/findings.md).
STEADY = 20
_CHUNK = 100  # resamples at a time: bounds memory to a hundred times the corpus


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval; NaN at both ends if there is too little data."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside, i.e. differs significantly; always false without an interval."""
        return self.low > value or self.high < value


UNKNOWN = Interval(float("nan"), float("nan"))


def f1_interval(runs: Sequence[Sequence[Counts]], seed: int) -> Interval:
    """Interval of the mean F1 of some runs (one for each seed) over the same documents."""
    return _interval(_resampled_f1(runs, seed)) if len(runs[0]) >= FEWEST else UNKNOWN


def f1_difference_interval(
    runs: Sequence[Sequence[Counts]], reference: Sequence[Sequence[Counts]], seed: int
) -> Interval:
    """Interval of mean F1 of ``runs`` minus that of ``reference``, on the same resamples."""
    if len(runs[0]) < FEWEST:
        return UNKNOWN
    return _interval(_resampled_f1(runs, seed) - _resampled_f1(reference, seed))


def speedup_interval(reference: Sequence[np.ndarray], variant: Sequence[np.ndarray], seed: int) -> Interval:
    """Interval of the mean over runs of summed reference time ÷ summed variant time, on the same resamples.

    Args:
        reference: times ``(batches,)`` of each run, in any unit.
        variant: times of the same batches in each run.
        seed: of the bootstrap.
    """
    if len(reference[0]) < FEWEST:
        return UNKNOWN
    table = np.stack([*reference, *variant], axis=1)
    sums = np.concatenate([weights @ table for weights in resamples(len(table), seed)])
    return _interval((sums[:, : len(reference)] / sums[:, len(reference) :]).mean(axis=1))


class F1Comparison(TypedDict):
    """Mean F1 of some runs and its difference from that of others, 0–1, with 95 % intervals."""

    f1: float
    f1_low: float
    f1_high: float
    difference: float
    low: float
    high: float
    significant: bool


class SpeedComparison(TypedDict):
    """How many times as fast, with its 95 % interval."""

    speedup: float
    speedup_low: float
    speedup_high: float
    speedup_significant: bool


def compare_f1(runs: Sequence[Sequence[Counts]], reference: Sequence[Sequence[Counts]], seed: int) -> F1Comparison:
    """Compares runs (one for each seed) with others over the same documents; NaN if either was not scored."""
    if not runs or not reference:
        nan = float("nan")
        return F1Comparison(f1=nan, f1_low=nan, f1_high=nan, difference=nan, low=nan, high=nan, significant=False)
    f1, other = (float(np.mean([Counts.total(run).f1 for run in of])) for of in (runs, reference))
    own, difference = f1_interval(runs, seed), f1_difference_interval(runs, reference, seed)
    return F1Comparison(
        f1=f1,
        f1_low=own.low,
        f1_high=own.high,
        difference=f1 - other,
        low=difference.low,
        high=difference.high,
        significant=difference.excludes(0),
    )


def compare_speed(times: Sequence[np.ndarray], reference: Sequence[np.ndarray], seed: int) -> SpeedComparison:
    """Compares the times ``(batches,)`` of runs with others' of the same batches: the mean ratio of their sums."""
    ratio = float(np.mean([theirs.sum() / own.sum() for own, theirs in zip(times, reference, strict=True)]))
    interval = speedup_interval(reference, times, seed)
    return SpeedComparison(
        speedup=ratio, speedup_low=interval.low, speedup_high=interval.high, speedup_significant=interval.excludes(1)
    )


def _interval(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))


def _resampled_f1(runs: Sequence[Sequence[Counts]], seed: int) -> np.ndarray:
    tables = [np.array([(c.correct, c.predicted + c.gold) for c in run], dtype=float) for run in runs]
    chunks = []
    for weights in resamples(len(runs[0]), seed):
        scores = []
        for table in tables:
            correct, size = (weights @ table).T
            scores.append(2 * correct / np.maximum(size, 1))
        chunks.append(np.mean(scores, axis=0))
    return np.concatenate(chunks)


def resamples(units: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each resample draws each unit, int64 ``(_CHUNK, units)`` at a time."""
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES // _CHUNK):
        yield rng.multinomial(units, np.full(units, 1 / units), size=_CHUNK)
