"""Intervals: a paired bootstrap over documents (Efron & Tibshirani 1993) and, for times, Student's t over batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from engine.text.scoring import Counts

RESAMPLES = 2000
FEWEST = 5  # fewest documents for which an interval is computed
SEED = 0  # of all draws


def compare_f1(runs: Sequence[Sequence[Counts]], reference: Sequence[Sequence[Counts]]) -> dict[str, Any]:
    """Compares the mean F1 of some runs, each the counts of its documents, with that of others on the same resamples.

    Returns columns of tables: ``f1``, ``f1_low``, ``f1_high``, its ``difference`` from the reference, ``low`` and
    ``high``, and whether that is ``significant``; ``loss_bound``, what is lost at most (95 %, one-sided).
    """
    f1, reference_f1 = (float(np.mean([Counts.total(run).f1 for run in side])) for side in (runs, reference))
    resampled = _mean_f1(runs)
    differences = resampled - _mean_f1(reference)
    f1_low, f1_high = np.quantile(resampled, (0.025, 0.975)).tolist()
    low, worst, high = np.quantile(differences, (0.025, 0.05, 0.975)).tolist()
    columns = {"f1": f1, "f1_low": f1_low, "f1_high": f1_high}
    columns |= {"difference": f1 - reference_f1, "low": low, "high": high, "significant": low > 0 or high < 0}
    return columns | {"loss_bound": 0.0 - worst}


def compare_speed(times: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Compares the milliseconds of each batch, two or more, ``(batches,)``, with a reference's.

    The interval is that of the logarithm of the ratio, by the delta method with Student's t: a bootstrap's would be too
    narrow over few batches (docs/findings.md).

    Returns columns of ``intervals.csv``: ``speedup``, the ratio of their sums, with its interval.
    """
    ratio, batches = float(reference.sum() / times.sum()), len(times)
    influence = reference / reference.mean() - times / times.mean()
    margin = stdtrit(batches - 1, 0.975) * np.std(influence, ddof=1) / np.sqrt(batches)
    low, high = (ratio * float(np.exp(side * margin)) for side in (-1, 1))
    significant = low > 1 or high < 1
    return {"speedup": ratio, "speedup_low": low, "speedup_high": high, "speedup_significant": significant}


def _mean_f1(runs: Sequence[Sequence[Counts]]) -> np.ndarray:
    """The mean F1 of the runs in each resample; NaN with too few documents."""
    if len(runs[0]) < FEWEST:
        return np.array([np.nan])
    # Matches, and predictions plus gold mentions, ``(runs, documents, 2)``; the same documents are drawn for all.
    counts = np.array([[(c.correct, c.predicted + c.gold) for c in run] for run in runs], dtype=float)
    rng, documents = np.random.default_rng(SEED), counts.shape[1]
    sums = rng.multinomial(documents, np.full(documents, 1 / documents), RESAMPLES) @ counts
    return (2 * sums[..., 0] / np.maximum(sums[..., 1], 1)).mean(axis=0)
