from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from eval.measure.baselines import BASELINES
from eval.render import plots
from eval.render.files import labelled

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


def kind(name):
    """Kind and family."""
    if name in (*BASELINES, "student-3"):
        return "model" if name == "student-3" else "baseline", name
    of = name.partition("@")[0].partition("+")[0].partition("-")[0].partition(":")[0]
    return of, of if of == "truncate" else name.partition(":")[0]


def tables(points):
    """A run's output: results, intervals and times; one baseline has no time interval."""
    f1, ms = zip(*points.values(), strict=True)
    rows = pd.DataFrame({"strategy": list(points), "batch_size": 1, "documents": 5, "timed_documents": 5, "f1": f1})
    rows[["kind", "family"]] = [kind(name) for name in points]
    rows["prunes"] = rows["kind"].isin(["rule", "entropy", "mlp"])
    about = {"corpus": "c", "split": "test", "device": "cpu", "threads": 2, "dtype": "float32"}
    speed = {"speedup": ms[0] / pd.Series(ms)}
    speed |= {"speedup_low": speed["speedup"] * 0.98, "speedup_high": speed["speedup"] * 1.02}
    columns = rows[["strategy", "batch_size", "f1"]].assign(dtype="float32")
    bars = columns.assign(against="dense", against_dtype="float32", difference=rows["f1"] - f1[0], **speed)
    bars.loc[rows["strategy"] == "onnx-int8", ["speedup_low", "speedup_high"]] = float("nan")
    times = [
        {"strategy": name, "dtype": "float32", "batch_size": 1, "batch": batch, "latency_ms": of}
        for name, (_, of) in points.items()
        for batch in range(5)
    ]
    bars = bars.assign(low=bars["difference"] - 0.002, high=bars["difference"] + 0.002)
    return rows.assign(**about), bars, pd.DataFrame(times)


def frontier(points, **settings):
    """The axes of the plot, drawn."""
    figure = plots.plot_f1_vs_latency(*tables(points), **settings)
    figure.canvas.draw()
    return figure.axes[0]


@pytest.mark.parametrize("points", [near(0.001), near(0.01), near(1.0), REAL], ids=["heap", "crowd", "apart", "real"])
def test_labels_cross_neither_each_other_nor_where_there_is_room_what_is_drawn(points):
    axis = frontier(points)
    assert [label.get_text().split()[0] for label in axis.texts] == list(points)
    boxes = [Text.get_window_extent(label) for label in axis.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    if points in (near(1.0), REAL):
        assert not any(box.contains(*place) for box in boxes for place in plots._drawn(axis))


def test_a_line_joins_the_points_of_one_strategy_and_the_depths_of_truncation():
    found = {
        "dense": (0.85, 37.0),
        "entropy": (0.85, 17.0),
        "entropy:fast": (0.84, 14.0),
        "entropy:careful": (0.85, 20.0),
    }
    axis = frontier(found | {"truncate-2": (0.8, 13.0), "truncate-3": (0.84, 19.0), "student-3": (0.83, 19.0)})
    joined = [
        sorted(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1
    ]
    assert [14, 17, 20] in joined
    assert [13, 19] in joined


def test_an_outlier_stands_at_the_edge_with_its_f1_and_leaves_room_to_the_others():
    axis = frontier(REAL | {"random@entropy:fast": (0.7407, 15.0)})
    labels = {label.get_text() for label in axis.texts}
    assert "random@entropy:fast 2.48×, F1 0.741" in labels
    assert "random@entropy 2.24×" in labels
    assert axis.get_ylim()[0] > 0.77


def test_the_legend_of_speed_covers_nothing():
    rows = [
        {"strategy": name, "batch_size": 1, "measure": measure, "group": group, "value": 1.0 + number}
        for number, name in enumerate(NAMES)
        for measure in ("theoretical", "measured", "measured_low", "measured_high")
        for group in ("all", "1–128 rows", "129–256 rows")
    ]
    figure = plots.plot_speed_by_length(pd.DataFrame(rows), tables(near(1))[0])
    figure.canvas.draw()
    (axis,) = figure.axes
    legend = axis.get_legend().get_window_extent()
    assert not legend.overlaps(axis.get_window_extent())
    assert figure.bbox.x1 >= legend.x1, "nor is it cut off"
    assert {text.get_text() for text in axis.get_legend().get_texts()} == {*NAMES[2:], "dense"}


def test_strategies_differ_without_colour():
    names = ("dense", "hf", "rule", "entropy", "mlp", "random", "truncate-3", "truncate-4", "student-3", *BASELINES)
    found = plots.styles(tables(dict.fromkeys(names, (0.8, 10.0)))[0])
    assert len({style["marker"] for style in found.values()}) == len(names)


def in_dtypes(points, *dtypes):
    """Each variant in every dtype, twice as fast in each further one."""
    parts = zip(
        *(tables({name: (f1, ms / 2**n) for name, (f1, ms) in points.items()}) for n in range(len(dtypes))), strict=True
    )
    results, intervals, times = (
        pd.concat([one.assign(dtype=dtype) for one, dtype in zip(of, dtypes, strict=True)], ignore_index=True)
        for of in parts
    )
    return results, intervals.assign(against_dtype=dtypes[0]), times


def test_dtypes_stand_apart_in_one_panel_and_a_single_one_is_not_named():
    figure = plots.plot_f1_vs_latency(*in_dtypes(REAL, "float32", "int8"))
    axis = figure.axes[0]
    labels = [text.get_text() for text in axis.texts]
    assert "dense (float32) 1.00×" in labels
    assert sum(label.startswith("entropy (int8) ") for label in labels) == 1
    assert len(labels) == 2 * len(REAL)
    styles = plots.styles(labelled(in_dtypes(REAL, "float32", "int8")[0], in_dtypes(REAL, "float32", "int8")[0]))
    assert styles["dense (int8)"]["fillstyle"] != styles["dense (float32)"].get("fillstyle", "full")
    assert frontier(REAL).texts[0].get_text() == "dense 1.00×"


def test_what_has_no_f1_is_a_line_at_its_time():
    results, intervals, times = tables(REAL)
    for table in (results, intervals):
        table.loc[table["strategy"] == "onnx", ["f1"]] = float("nan")
    axis = plots.plot_f1_vs_latency(results, intervals, times).axes[0]
    assert "onnx 0.76×, speed only" in {text.get_text() for text in axis.texts}


def test_what_recovers_is_hollow():
    found = plots.styles(tables(REAL)[0])
    hollow = [name for name, style in found.items() if style["markerfacecolor"] == "none"]
    assert hollow == ["entropy+recovery"]
