from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.figures import ROOT
from eval.render import ReportFolder, plots
from eval.render.plots import LABELS, WINDOW, frontier, to_label

REPORT = ReportFolder(ROOT / "docs" / "bc5cdr-test")
RESULTS, INTERVALS = REPORT.frame("results").replace({"kind": "mlp-attention"}, "random"), REPORT.frame("intervals")


@pytest.fixture(autouse=True, scope="module")
def fast():
    """Nothing is replaced: plots are drawn as they are."""


@pytest.fixture(scope="module")
def figure():
    """Two batch sizes in two dtypes, drawn."""
    figure = plots.plot_f1_vs_latency(RESULTS, INTERVALS)
    figure.canvas.draw()
    return figure


def test_there_is_a_panel_with_few_labels_for_each_batch_size_with_enough_batches(figure):
    assert [axis.get_title("left") for axis in figure.axes] == ["batch size 1", "batch size 32"]
    for axis in figure.axes:
        named = [text for text in axis.texts if text.get_text()]
        assert 0 < len(named) <= LABELS
        for box in (text.get_window_extent() for text in named):
            assert axis.bbox.x0 - 1 < box.x0 < box.x1 < axis.bbox.x1 + 1
    few = INTERVALS.assign(speedup_low=INTERVALS["speedup_low"].where(INTERVALS["batch_size"] == 1))
    assert len(plots.plot_f1_vs_latency(RESULTS, few).axes) == 1


def test_speed_is_logarithmic_and_what_has_an_f1_far_away_stands_at_the_edge():
    results = RESULTS[RESULTS["batch_size"] == 1].set_index("variant", drop=False)
    results.loc["openvino-int8=truncate-3", "f1"] = 0.8
    (axis,) = plots.plot_f1_vs_latency(results.reset_index(drop=True), INTERVALS).axes
    assert axis.get_xscale() == "log"
    (low, high), dense, own = axis.get_ylim(), results["f1"].iloc[0], results.loc["openvino-int8=truncate-3"]
    assert dense - 2 * WINDOW < low < dense < high < dense + 2 * WINDOW
    texts = {text.get_text() for text in axis.texts}
    assert {"dense (float32) 1.00×", f"{own['variant']} {own['speedup_vs_dense']:.2f}×, F1 0.800"} <= texts
    assert [own["speedup_vs_dense"], low] in [list(line.get_xydata()[0]) for line in axis.lines]


def test_the_legend_explains_every_symbol_and_these_differ_without_colour(figure):
    kinds = set(RESULTS["kind"])
    assert kinds > {"random", "baseline", "model", "truncate"}
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert kinds | {"float32", "int8", "Pareto frontier"} <= set(handles)
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
