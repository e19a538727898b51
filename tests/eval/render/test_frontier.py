from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.render.plots import LABELS, WINDOW, f1_axis, frontier, to_label


@dataclass(frozen=True)
class Row:
    label: str
    kind: str
    f1: float
    speedup: float


DENSE = Row("dense", "dense", 0.85, 1.0)
BEST, FASTEST = Row("entropy", "entropy", 0.851, 2.5), Row("entropy:fast", "entropy", 0.848, 3.0)
BEATEN = [Row(f"rule {number}", "rule", 0.849, 1.1 + number / 100) for number in range(9)]
NEAR = [Row(f"onnx {number}", "baseline", 0.85, 1.2 + number / 10) for number in range(6)]
FAR = Row("spacy", "baseline", 0.81, 2.9)
ALL = [*BEATEN, DENSE, *NEAR, FAR, BEST, FASTEST]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_the_frontier_is_what_nothing_beats(points):
    rows = [Row("", "entropy", float(f1), float(speed)) for speed, f1 in points]
    beaten = {p for p in points for q in points if q != p and q[0] >= p[0] and q[1] >= p[1]}
    assert [(one.speedup, one.f1) for one in frontier(rows)] == sorted(set(points) - beaten, reverse=True)


def test_dense_the_frontier_and_then_the_best_baselines_are_labelled():
    beaten = Row("slow", "baseline", 0.80, 2.8)
    assert to_label([beaten, *ALL]) == [DENSE, FASTEST, BEST, FAR, NEAR[-1], beaten, *NEAR[-2:-4:-1]]


def test_a_baseline_is_labelled_in_its_fastest_dtype_alone():
    slow, fast = Row("onnx (float32)", "baseline", 0.85, 1.1), Row("onnx (int8)", "baseline", 0.84, 1.8)
    assert to_label([DENSE, slow, BEST, fast]) == [DENSE, BEST, fast]


@pytest.mark.parametrize("length", [5, 12])
def test_baselines_have_the_labels_that_the_frontier_leaves(length):
    rows = [Row(f"entropy {n}", "entropy", 0.851 - n / 10000, 2 + n / 10) for n in range(length)]
    chosen = to_label([DENSE, *rows, *NEAR])
    assert len(chosen) == LABELS
    assert chosen[1:] == [*rows[::-1], *NEAR[::-1]][: LABELS - 1]


@pytest.mark.parametrize("rows", [ALL, [DENSE], [DENSE, FAR]], ids=["all", "dense alone", "an outlier"])
def test_the_axis_shows_dense_and_what_is_near_it(rows):
    low, high = f1_axis(rows)
    assert 0.85 - 2 * WINDOW < low < 0.85 < high < 0.85 + 2 * WINDOW
