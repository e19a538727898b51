import numpy as np
import pytest

from engine.text.scoring import Counts, f1_difference_error
from eval.statistics import compare_f1, compare_speed

GOOD = [Counts(8 + i % 3, 10, 11) for i in range(60)]
WORSE = [Counts(c.correct - 2, 10, 11) for c in GOOD]


def test_a_variant_that_is_worse_is_called_worse():
    found = compare_f1([WORSE], [GOOD], seed=0)
    assert found["low"] <= found["difference"] <= found["high"] < 0
    assert found["significant"]


def test_an_identical_variant_is_not():
    found = compare_f1([GOOD], [GOOD], seed=0)
    assert (found["low"], found["difference"], found["high"], found["significant"]) == (0, 0, 0, False)


def test_noise_in_both_directions_is_not():
    noise = [Counts(c.correct + (1 if i % 2 else -1), 10, 11) for i, c in enumerate(GOOD)]
    assert not compare_f1([noise], [GOOD], seed=0)["significant"]


def test_the_interval_holds_the_estimate_and_repeats_with_its_seed():
    found = compare_f1([GOOD], [WORSE], seed=1)
    assert found["f1_low"] < found["f1"] == Counts.total(GOOD).f1 < found["f1_high"]
    assert found == compare_f1([GOOD], [WORSE], seed=1) != compare_f1([GOOD], [WORSE], seed=2)


def test_several_runs_count_by_their_mean():
    both, worse, good = (compare_f1(runs, [GOOD], seed=0)["f1_low"] for runs in ([GOOD, WORSE], [WORSE], [GOOD]))
    assert worse < both < good
    assert both == pytest.approx((worse + good) / 2, abs=1e-3)


def test_the_standard_error_is_that_of_the_bootstrap():
    rng = np.random.default_rng(1)
    gold = rng.integers(5, 20, size=200)
    runs = [
        [Counts(int(c), int(g), int(g)) for c, g in zip(rng.binomial(gold, p), gold, strict=True)] for p in (0.8, 0.82)
    ]
    found = compare_f1([runs[0]], [runs[1]], seed=0)
    assert f1_difference_error(*runs) == pytest.approx((found["high"] - found["low"]) / 3.92, rel=0.1)


@pytest.mark.parametrize("documents", [1, 4])
def test_too_few_documents_have_no_interval_and_nothing_is_significant(documents):
    found = compare_f1([WORSE[:documents]], [GOOD[:documents]], seed=0)
    assert np.isnan([found["f1_low"], found["f1_high"], found["low"], found["high"]]).all()
    assert found["difference"] < 0
    assert not found["significant"]
    assert (f1_difference_error(WORSE[:documents], GOOD[:documents]) == np.inf) == (documents == 1)


def test_a_faster_variant_is_called_faster_with_an_interval_around_its_speedup():
    rng = np.random.default_rng(0)
    dense = rng.uniform(10, 60, size=50)
    fast = dense / 2 * rng.normal(1, 0.05, size=50)
    found = compare_speed([fast], [dense], seed=0)
    assert found["speedup_low"] < found["speedup"] == dense.sum() / fast.sum() < found["speedup_high"]
    assert found["speedup_significant"]
    assert found["speedup_high"] - found["speedup_low"] < 0.1, "paired, so that long documents do not widen it"


def test_a_variant_of_the_same_speed_is_not():
    rng = np.random.default_rng(0)
    dense = rng.uniform(10, 60, size=50)
    same = dense * rng.normal(1, 0.05, size=50)
    assert not compare_speed([same], [dense], seed=0)["speedup_significant"]
    assert compare_speed([dense], [dense], seed=0) == {
        "speedup": 1, "speedup_low": 1, "speedup_high": 1, "speedup_significant": False,
    }  # fmt: skip


def test_too_few_batches_have_no_interval_and_nothing_is_significant():
    found = compare_speed([np.array([1.0, 1.0])], [np.array([4.0, 4.0])], seed=0)
    assert found["speedup"] == 4
    assert np.isnan([found["speedup_low"], found["speedup_high"]]).all()
    assert not found["speedup_significant"]
