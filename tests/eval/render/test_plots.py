import pandas as pd
import pytest

from eval.measure.baselines import BASELINES
from eval.render import plots
from eval.render.files import labelled
from eval.render.plots import LABELS

EDGE = "at an edge: F1 beyond it"
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
        {"strategy": name, "dtype": dtype, "batch_size": size, "f1": f1, "speedup_vs_dense": speed * 2**number}
        for size in sizes
        for number, dtype in enumerate(dtypes)
        for name, (f1, speed) in variants.items()
    ]
    results = pd.DataFrame(rows).assign(
        corpus="c", split="test", documents=5, timed_documents=5, device="cpu", threads=2
    )
    results["kind"] = results["strategy"].map(kind)
    difference = results["f1"] - variants["dense"][0]
    against = {"against": "dense", "against_dtype": dtypes[0], "difference": difference}
    ends = {"low": difference - 0.002, "high": difference + 0.002, "speedup_low": results["speedup_vs_dense"] - 0.1}
    return results, results[["strategy", "dtype", "batch_size"]].assign(**against, **ends)


@pytest.fixture(scope="module")
def found():
    """Results and intervals at two batch sizes in two dtypes."""
    return tables(VARIANTS, sizes=(1, 32), dtypes=("float32", "int8"))


@pytest.fixture(scope="module")
def figure(found):
    """Speed and F1 of these, drawn."""
    figure = plots.plot_f1_vs_latency(*found)
    figure.canvas.draw()
    return figure


def explained(figure):
    """What the legend explains."""
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_there_is_a_panel_for_each_batch_size_with_few_labels_inside(figure):
    assert [axis.get_title("left") for axis in figure.axes] == ["batch size 1", "batch size 32"]
    assert figure.get_figwidth() * 100 == 800
    for axis in figure.axes:
        named = [text for text in axis.texts if text.get_text()]
        assert 0 < len(named) <= LABELS
        assert all(axis.bbox.x0 <= box.x0 <= box.x1 <= axis.bbox.x1 for box in (t.get_window_extent() for t in named))


def test_a_batch_size_with_too_few_batches_has_no_panel():
    results, intervals = tables(VARIANTS, sizes=(1, 32))
    intervals.loc[intervals["batch_size"] == 32, "speedup_low"] = float("nan")
    assert len(plots.plot_f1_vs_latency(results, intervals).axes) == 1


def test_speed_is_logarithmic_and_what_has_an_f1_far_away_stands_at_the_edge():
    results, intervals = tables(VARIANTS | {"mlp:fast": (0.8, 1.2)})
    figure = plots.plot_f1_vs_latency(results, intervals)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert axis.get_ylim()[0] > 0.835
    assert {"dense 1.00×", "entropy 2.15×", "spacy 2.50×, F1 0.811"} <= {text.get_text() for text in axis.texts}
    assert [1.2, axis.get_ylim()[0]] in [list(line.get_xydata()[0]) for line in axis.lines]
    assert EDGE in explained(figure)
    assert EDGE not in explained(plots.plot_f1_vs_latency(*tables({"dense": (0.85, 1.0), "rule": (0.849, 1.3)})))


def test_the_legend_explains_every_symbol(figure):
    symbols = {"float32", "int8", "with recovery", "Pareto frontier"}
    assert set(map(kind, VARIANTS)) | symbols <= explained(figure)


def test_kinds_and_dtypes_differ_without_colour(found):
    results, _ = found
    styles = plots.styles(labelled(results, results))
    assert len({style["marker"] for style in styles.values()}) == len(set(map(kind, VARIANTS)))
    assert styles["dense (float32)"]["fillstyle"] != styles["dense (int8)"]["fillstyle"]
