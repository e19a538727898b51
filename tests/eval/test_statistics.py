import numpy as np
import pytest

from engine.text.scoring import Counts, f1_difference_error
from eval.statistics import Interval, f1_difference_interval, f1_interval, speedup_interval

GOOD = [Counts(8 + i % 3, 10, 11) for i in range(60)]
WORSE = [Counts(c.correct - 2, 10, 11) for c in GOOD]


def test_a_variant_that_is_worse_is_called_worse():
    interval = f1_difference_interval([WORSE], [GOOD], seed=0)
    assert interval.high < 0
    assert interval.excludes(0)


def test_an_identical_variant_is_not():
    interval = f1_difference_interval([GOOD], [GOOD], seed=0)
    assert (interval.low, interval.high) == (0, 0)
    assert not interval.excludes(0)


def test_noise_in_both_directions_is_not():
    noise = [Counts(c.correct + (1 if i % 2 else -1), 10, 11) for i, c in enumerate(GOOD)]
    assert not f1_difference_interval([noise], [GOOD], seed=0).excludes(0)


def test_the_interval_holds_the_estimate_and_repeats_with_its_seed():
    f1 = Counts.total(GOOD).f1
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


@pytest.mark.parametrize("documents", [1, 4])
def test_too_few_documents_have_no_interval_and_nothing_is_significant(documents):
    found = f1_difference_interval([WORSE[:documents]], [GOOD[:documents]], seed=0)
    assert np.isnan([found.low, found.high]).all()
    assert not found.excludes(0)
    assert np.isnan(f1_interval([GOOD[:documents]], seed=0).low)
    assert (f1_difference_error(WORSE[:documents], GOOD[:documents]) == np.inf) == (documents == 1)


def test_a_faster_variant_is_called_faster_with_an_interval_around_its_speedup():
    rng = np.random.default_rng(0)
    dense = rng.uniform(10, 60, size=50)
    fast = dense / 2 * rng.normal(1, 0.05, size=50)
    interval = speedup_interval([dense], [fast], seed=0)
    assert interval.low < dense.sum() / fast.sum() < interval.high
    assert interval.excludes(1)
    assert interval.high - interval.low < 0.1, "resampled in pairs, so that long documents do not widen it"


def test_a_variant_of_the_same_speed_is_not():
    rng = np.random.default_rng(0)
    dense = rng.uniform(10, 60, size=50)
    same = dense * rng.normal(1, 0.05, size=50)
    assert not speedup_interval([dense], [same], seed=0).excludes(1)
    assert speedup_interval([dense], [dense], seed=0) == Interval(1, 1)


def test_too_few_batches_have_no_interval_and_nothing_is_significant():
    interval = speedup_interval([np.array([4.0, 4.0])], [np.array([1.0, 1.0])], seed=0)
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.excludes(1)
