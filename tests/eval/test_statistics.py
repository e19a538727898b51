import numpy as np
import pytest

from engine.scoring import Counts, f1_difference_error
from eval.statistics import f1_difference_interval, f1_interval

GOOD = [Counts(8 + i % 3, 10, 11) for i in range(60)]
WORSE = [Counts(c.correct - 2, 10, 11) for c in GOOD]


def test_a_variant_that_is_worse_is_called_worse():
    interval = f1_difference_interval([WORSE], [GOOD], seed=0)
    assert interval.high < 0
    assert interval.excludes_zero


def test_an_identical_variant_is_not():
    interval = f1_difference_interval([GOOD], [GOOD], seed=0)
    assert (interval.low, interval.high) == (0, 0)
    assert not interval.excludes_zero


def test_noise_in_both_directions_is_not():
    noise = [Counts(c.correct + (1 if i % 2 else -1), 10, 11) for i, c in enumerate(GOOD)]
    assert not f1_difference_interval([noise], [GOOD], seed=0).excludes_zero


def test_the_interval_holds_the_estimate_and_repeats_with_its_seed():
    f1 = sum(GOOD, Counts()).f1
    interval = f1_interval([GOOD], seed=1)
    assert interval.low < f1 < interval.high
    assert interval == f1_interval([GOOD], seed=1) != f1_interval([GOOD], seed=2)


def test_several_runs_count_by_their_mean():
    both = f1_interval([GOOD, WORSE], seed=0)
    assert f1_interval([WORSE], seed=0).low < both.low < f1_interval([GOOD], seed=0).low
    assert both.low == pytest.approx((f1_interval([WORSE], seed=0).low + f1_interval([GOOD], seed=0).low) / 2, abs=1e-3)


def test_the_standard_error_is_that_of_the_bootstrap():
    rng = np.random.default_rng(1)
    gold = rng.integers(5, 20, size=200)
    runs = [
        [Counts(int(c), int(g), int(g)) for c, g in zip(rng.binomial(gold, p), gold, strict=True)] for p in (0.8, 0.82)
    ]
    interval = f1_difference_interval([runs[0]], [runs[1]], seed=0)
    assert f1_difference_error(*runs) == pytest.approx((interval.high - interval.low) / 3.92, rel=0.1)
