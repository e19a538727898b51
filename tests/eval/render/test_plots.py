from collections import namedtuple

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.measure.baselines import BASELINES
from eval.render import plots
from eval.render.plots import LABELS, WINDOW, frontier, to_label

# F1 and speed-up like those of a real run.
VARIANTS = {
    "dense": (0.8544, 1.0), "rule": (0.8548, 1.27), "entropy": (0.8528, 2.15),
    "mlp": (0.8556, 1.91), "entropy+recovery": (0.8527, 2.09), "random@entropy": (0.8187, 2.24),
    "truncate-3": (0.8478, 1.97), "truncate-4": (0.852, 1.49), "hf-pipeline": (0.8544, 0.76),
    "onnx-int8": (0.8533, 1.3), "spacy": (0.8107, 2.5), "student": (0.8407, 1.97),
}  # fmt: skip


def kind(name):
    if name in (*BASELINES, "student"):
        return "model" if name == "student" else "baseline"
    return name.partition("@")[0].partition("+")[0].partition("-")[0].partition(":")[0]


def tables(variants, sizes=(1,), dtypes=("float32",)):
    """A run's results and intervals; in each further dtype everything is twice as fast."""
    rows = [
        {
            "variant": f"{name} ({dtype})" if len(dtypes) > 1 else name,
            "kind": kind(name),
            "dtype": dtype,
            "batch_size": size,
            "f1": f1,
            "speedup_vs_dense": speed * 2**number,
            "prunes": "+" in name,
        }
        for size in sizes
        for number, dtype in enumerate(dtypes)
        for name, (f1, speed) in variants.items()
    ]
    results = pd.DataFrame(rows).assign(
        corpus="c", split="test", documents=5, timed_documents=5, device="cpu", threads=2
    )
    difference = results["f1"] - variants["dense"][0]
    against = {"against": rows[0]["variant"], "difference": difference}
    ends = {"low": difference - 0.002, "high": difference + 0.002, "speedup_low": results["speedup_vs_dense"] - 0.1}
    return results, results[["variant", "batch_size"]].assign(**against, **ends)


@pytest.fixture(autouse=True, scope="module")
def fast():
    """Nothing is replaced: plots are drawn as they are."""


FOUND = tables(VARIANTS, sizes=(1, 32), dtypes=("float32", "int8"))


@pytest.fixture(scope="module")
def figure():
    """Two batch sizes in two dtypes, drawn."""
    figure = plots.plot_f1_vs_latency(*FOUND)
    figure.canvas.draw()
    return figure


def explained(figure):
    """What the legend explains."""
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_there_is_a_panel_with_few_labels_for_each_batch_size_with_enough_batches(figure):
    assert [axis.get_title("left") for axis in figure.axes] == ["batch size 1", "batch size 32"]
    for axis in figure.axes:
        named = [text for text in axis.texts if text.get_text()]
        assert 0 < len(named) <= LABELS
        assert all(axis.bbox.x0 <= box.x0 <= box.x1 <= axis.bbox.x1 for box in (t.get_window_extent() for t in named))
    results, intervals = tables(VARIANTS, sizes=(1, 32))
    intervals.loc[intervals["batch_size"] == 32, "speedup_low"] = float("nan")
    assert len(plots.plot_f1_vs_latency(results, intervals).axes) == 1


def test_speed_is_logarithmic_and_what_has_an_f1_far_away_stands_at_the_edge():
    results, intervals = tables(VARIANTS | {"mlp:fast": (0.8, 1.2)})
    (axis,) = plots.plot_f1_vs_latency(results, intervals).axes
    assert axis.get_xscale() == "log"
    low, high = axis.get_ylim()
    assert 0.8544 - 2 * WINDOW < low < 0.8544 < high < 0.8544 + 2 * WINDOW
    assert {"dense 1.00×", "entropy 2.15×", "spacy 2.50×, F1 0.811"} <= {text.get_text() for text in axis.texts}
    assert [1.2, low] in [list(line.get_xydata()[0]) for line in axis.lines]


def test_the_legend_explains_every_symbol_and_these_differ_without_colour(figure):
    kinds = set(map(kind, VARIANTS))
    assert kinds | {"float32", "int8", "Pareto frontier"} <= explained(figure)
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert len({handles[one].get_marker() for one in kinds}) == len(kinds)
    assert handles["float32"].get_fillstyle() != handles["int8"].get_fillstyle()


Row = namedtuple("Row", "variant kind f1 speedup")
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


def test_dense_the_frontier_and_then_the_fastest_baselines_are_labelled_each_once():
    assert to_label(ALL) == [DENSE, FASTEST, BEST, FAR, *NEAR[:-5:-1]]
    rows = [Row(f"entropy {n}", "entropy", 0.851 - n / 10000, 2 + n / 10) for n in range(5)]
    assert to_label([DENSE, *rows, *NEAR]) == [DENSE, *rows[::-1], *NEAR[::-1]][:LABELS]
