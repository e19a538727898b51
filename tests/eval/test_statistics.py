import numpy as np
import pytest

from engine.text.scoring import Counts, f1_difference_error
from eval.statistics import compare_f1, compare_speed

GOOD = [Counts(8 + i % 3, 10, 11) for i in range(60)]
WORSE = [Counts(c.correct - 2, 10, 11) for c in GOOD]
NOISY = [Counts(c.correct + (1 if i % 2 else -1), 10, 11) for i, c in enumerate(GOOD)]
TIMES = np.random.default_rng(0).uniform(10, 60, size=50)
NOISE = np.random.default_rng(1).normal(1, 0.05, size=50)


@pytest.mark.parametrize(("run", "significant"), [(WORSE, True), (NOISY, False), (GOOD, False)])
def test_only_a_variant_that_is_worse_is_called_worse(run, significant):
    compared = compare_f1([run], [GOOD])
    assert compared["low"] <= compared["difference"] <= compared["high"]
    assert compared["f1_low"] < compared["f1"] == Counts.total(run).f1 < compared["f1_high"]
    assert compared["significant"] == significant == (compared["high"] < 0)
    assert (compared["low"] == compared["high"]) == (run is GOOD)


@pytest.mark.parametrize(
    ("times", "significant"), [(0.5 * TIMES * NOISE, True), (TIMES * NOISE, False), (TIMES, False)]
)
def test_only_a_variant_that_is_faster_is_called_faster(times, significant):
    compared = compare_speed(times, TIMES)
    assert compared["speedup_low"] <= compared["speedup"] == TIMES.sum() / times.sum() <= compared["speedup_high"]
    assert compared["speedup_significant"] == significant
    assert (compared["speedup_low"] == compared["speedup_high"]) == (times is TIMES)
    assert compared["speedup_high"] - compared["speedup_low"] < 0.1, "paired, so that long documents do not widen it"


@pytest.mark.parametrize("batches", [5, 10])
def test_an_interval_over_few_batches_holds_the_ratio_as_often_as_it_claims(batches):
    rng, inside = np.random.default_rng(2), 0
    for _ in range(400):
        texts = rng.integers(len(TIMES), size=(batches, 32))
        times, reference = TIMES[texts].sum(1) * rng.normal(1, 0.03, batches), (TIMES**1.2)[texts].sum(1)
        compared = compare_speed(times, reference)
        inside += compared["speedup_low"] <= (TIMES**1.2).sum() / TIMES.sum() <= compared["speedup_high"]
    assert 0.92 <= inside / 400 <= 0.98


def test_a_loss_is_bounded_on_one_side():
    compared = compare_f1([NOISY], [GOOD])
    assert -compared["difference"] < compared["loss_bound"] < -compared["low"]
    assert compare_f1([WORSE], [GOOD])["loss_bound"] >= 0.19
    assert compare_f1([GOOD], [WORSE])["loss_bound"] < 0
    assert compare_f1([GOOD], [GOOD])["loss_bound"] == 0


def test_several_runs_count_by_their_mean_and_an_interval_repeats():
    both, worse, good = (compare_f1(runs, [GOOD])["f1_low"] for runs in ([GOOD, WORSE], [WORSE], [GOOD]))
    assert worse < both < good
    assert both == pytest.approx((worse + good) / 2, abs=1e-3)
    assert compare_f1([GOOD], [WORSE]) == compare_f1([GOOD], [WORSE])


def test_the_standard_error_is_that_of_the_bootstrap():
    rng = np.random.default_rng(1)
    gold = rng.integers(5, 20, size=200)
    runs = [
        [Counts(int(c), int(g), int(g)) for c, g in zip(rng.binomial(gold, p), gold, strict=True)] for p in (0.8, 0.82)
    ]
    compared = compare_f1([runs[0]], [runs[1]])
    assert f1_difference_error(*runs) == pytest.approx((compared["high"] - compared["low"]) / 3.92, rel=0.1)


@pytest.mark.parametrize("few", [1, 4])
def test_too_few_documents_have_no_interval_and_nothing_is_significant(few):
    f1 = compare_f1([WORSE[:few]], [GOOD[:few]])
    assert f1["difference"] < 0
    assert np.isnan([f1[end] for end in ("f1_low", "f1_high", "low", "high", "loss_bound")]).all()
    assert not f1["significant"]
    assert (f1_difference_error(WORSE[:few], GOOD[:few]) == np.inf) == (few == 1)
