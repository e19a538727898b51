from itertools import combinations

import matplotlib.pyplot as plt
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Annotation, Text

from eval import plots
from eval.rivals import NAMES as RIVALS

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


@given(POINTS)
def test_the_pareto_line_joins_what_nothing_beats(points):
    found = plots.pareto_line(pd.DataFrame(points, columns=["ms", "f1"]))
    expected = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}
    assert list(found.itertuples(index=False, name=None)) == sorted(expected)


def files(folder, spread):
    """What a run leaves, the points as near to each other as ``spread`` says; one rival has no time interval."""
    rows = pd.DataFrame({"strategy": NAMES, "batch_size": 1, "documents": 5})
    rows["f1"] = [0.85 - spread * (number % 3) for number in range(len(NAMES))]
    about = {"corpus": "c", "split": "test", "device": "cpu", "threads": 2, "dtype": "float32"}
    rows.assign(**about).to_csv(folder / "results.csv")
    bars = rows.assign(against="dense", difference=rows["f1"] - 0.85, speedup=1.5, speedup_low=1.4, speedup_high=1.6)
    bars.loc[8, ["speedup_low", "speedup_high"]] = float("nan")
    bars.assign(low=bars["difference"] - 0.01, high=bars["difference"] + 0.01).to_csv(folder / "intervals.csv")
    times = [
        {"strategy": name, "batch_size": 1, "batch": batch, "latency_ms": 30 + number * spread}
        for number, name in enumerate(NAMES)
        for batch in range(5)
    ]
    pd.DataFrame(times).to_csv(folder / "times.csv")


def test_labels_do_not_overlap_however_near_the_points_are(tmp_path, monkeypatch):
    for spread in (0.0, 0.001, 1.0):
        files(tmp_path, spread)
        figures = []
        with monkeypatch.context() as patch:
            patch.setattr(plt, "close", figures.append)
            plots.plot_f1_vs_latency(tmp_path, tmp_path / "plot.png")
        (axis,) = figures[0].axes
        labels = [child for child in axis.get_children() if isinstance(child, Annotation)]
        assert [label.get_text().split()[0] for label in labels] == list(NAMES)
        boxes = [Text.get_window_extent(label) for label in labels]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        plt.close(figures[0])


def test_strategies_differ_without_colour():
    markers = [
        plots._style(name)[0] for name in ("dense", "hf", "rule", "entropy", "mlp", "random", "truncate-3", *RIVALS)
    ]
    assert len(set(markers)) == len(markers)
