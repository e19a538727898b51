from itertools import combinations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path
from matplotlib.text import Annotation, Text

from eval.measure.baselines import NAMES as RIVALS
from eval.render import plots

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=20)
NAMES = (
    "dense",
    "hf",
    "rule",
    "entropy",
    "entropy+recovery",
    "random@entropy",
    "truncate-3",
    "truncate-4",
    "onnx-int8",
)

# F1 and milliseconds of a real run.
REAL = {
    "dense": (0.8544, 37.2), "hf": (0.8544, 76.0), "rule": (0.8548, 29.2), "entropy": (0.8528, 17.3),
    "mlp": (0.8556, 19.4), "entropy+recovery": (0.8527, 17.8), "random@entropy": (0.8187, 16.6),
    "truncate-3": (0.8478, 18.9), "truncate-4": (0.852, 25.0), "onnx": (0.8544, 49.1), "onnx-int8": (0.8533, 28.6),
    "student-3": (0.8407, 18.9),
}  # fmt: skip


@given(POINTS)
def test_the_pareto_line_joins_what_nothing_beats(points):
    found = plots.pareto_line(pd.DataFrame(points, columns=["ms", "f1"]))
    expected = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}
    assert list(found.itertuples(index=False, name=None)) == sorted(expected)


def near(spread):
    """Points as near to each other as ``spread`` says: name → (F1, milliseconds)."""
    return {name: (0.85 - spread * (number % 3), 30 + number * spread) for number, name in enumerate(NAMES)}


def files(folder, points):
    """What a run leaves; one rival has no time interval."""
    f1, ms = zip(*points.values(), strict=True)
    rows = pd.DataFrame({"strategy": list(points), "batch_size": 1, "documents": 5, "f1": f1})
    about = {"corpus": "c", "split": "test", "device": "cpu", "threads": 2, "dtype": "float32"}
    rows.assign(**about).to_csv(folder / "results.csv")
    speed = {"speedup": ms[0] / pd.Series(ms)}
    speed |= {"speedup_low": speed["speedup"] * 0.98, "speedup_high": speed["speedup"] * 1.02}
    bars = rows.assign(against="dense", difference=rows["f1"] - f1[0], **speed)
    bars.loc[rows["strategy"] == "onnx-int8", ["speedup_low", "speedup_high"]] = float("nan")
    bars.assign(low=bars["difference"] - 0.002, high=bars["difference"] + 0.002).to_csv(folder / "intervals.csv")
    times = [
        {"strategy": name, "batch_size": 1, "batch": batch, "latency_ms": of}
        for name, (_, of) in points.items()
        for batch in range(5)
    ]
    pd.DataFrame(times).to_csv(folder / "times.csv")


def drawn(monkeypatch, plot, *arguments):
    """The axes of a figure that a plot drew, still open."""
    figures = []
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", figures.append)
        plot(*arguments)
    figures[0].canvas.draw()  # at the resolution of the screen again, after that of the file
    (axis,) = figures[0].axes
    return axis


@pytest.mark.parametrize("spread", [0.0, 0.001, 1.0])
def test_labels_do_not_overlap_however_near_the_points_are(tmp_path, monkeypatch, spread):
    files(tmp_path, near(spread))
    axis = drawn(monkeypatch, plots.plot_f1_vs_latency, tmp_path, tmp_path / "plot.png")
    labels = [child for child in axis.get_children() if isinstance(child, Annotation)]
    assert [label.get_text().split()[0] for label in labels] == list(NAMES)
    boxes = [Text.get_window_extent(label) for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    plt.close(axis.figure)


def test_a_line_joins_the_points_of_one_strategy_and_the_depths_of_truncation(tmp_path, monkeypatch):
    found = {
        "dense": (0.85, 37.0),
        "entropy": (0.85, 17.0),
        "entropy:fast": (0.84, 14.0),
        "entropy:exact": (0.85, 20.0),
    }
    files(tmp_path, found | {"truncate-2": (0.8, 13.0), "truncate-3": (0.84, 19.0), "student-3": (0.83, 19.0)})
    axis = drawn(monkeypatch, plots.plot_f1_vs_latency, tmp_path, tmp_path / "plot.png")
    joined = [
        sorted(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1
    ]
    assert [14, 17, 20] in joined
    assert [13, 19] in joined
    plt.close(axis.figure)


def test_an_outlier_stands_at_the_edge_with_its_f1_and_leaves_room_to_the_others(tmp_path, monkeypatch):
    files(tmp_path, REAL | {"random@entropy:fast": (0.7407, 15.0)})
    axis = drawn(monkeypatch, plots.plot_f1_vs_latency, tmp_path, tmp_path / "plot.png")
    labels = {child.get_text() for child in axis.get_children() if isinstance(child, Annotation)}
    assert "random@entropy:fast 2.48×, F1 0.741" in labels
    assert "random@entropy 2.24×" in labels
    assert axis.get_ylim()[0] > 0.77
    plt.close(axis.figure)


def test_no_line_to_a_label_runs_through_another_label_where_there_is_room(tmp_path, monkeypatch):
    files(tmp_path, REAL)
    axis = drawn(monkeypatch, plots.plot_f1_vs_latency, tmp_path, tmp_path / "plot.png")
    labels = [child for child in axis.get_children() if isinstance(child, Annotation)]
    boxes = [Text.get_window_extent(label) for label in labels]
    for label, box in zip(labels, boxes, strict=True):
        line = Path([axis.transData.transform(label.xy), ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)])
        assert not any(line.intersects_bbox(other, filled=False) for other in boxes if other is not box)
    plt.close(axis.figure)


def test_the_legend_of_speed_covers_nothing(tmp_path, monkeypatch):
    rows = [
        {"strategy": name, "batch_size": 1, "measure": measure, "group": group, "value": 1.0 + number}
        for number, name in enumerate(NAMES)
        for measure in ("promised", "realised", "realised_low", "realised_high")
        for group in ("all", "1–128 rows", "129–256 rows")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "cost.csv")
    axis = drawn(monkeypatch, plots.plot_speed_by_length, tmp_path / "cost.csv", tmp_path / "plot.png")
    legend = axis.get_legend().get_window_extent()
    assert not legend.overlaps(axis.get_window_extent())
    assert axis.figure.bbox.x1 >= legend.x1, "nor is it cut off"
    plt.close(axis.figure)


def test_strategies_differ_without_colour():
    names = ("dense", "hf", "rule", "entropy", "mlp", "random", "truncate-3", "truncate-4", *RIVALS)
    markers = [plots._style(name)[0] for name in names]
    assert len(set(markers)) == len(markers)
