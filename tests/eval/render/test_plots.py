from itertools import combinations

import pytest

from eval.figures import ROOT
from eval.render import plots
from eval.render.folder import ReportFolder
from eval.render.plots import WINDOW
from eval.render.summary import summary_rows

REPORT = ReportFolder(ROOT / "docs" / "bc5cdr-test")
RESULTS, INTERVALS = REPORT.frame("results"), REPORT.frame("intervals")


@pytest.fixture(autouse=True, scope="module")
def fast():
    """Nothing is replaced: plots are drawn as they are."""


NAMES = {row["variant"]: name for name, row in summary_rows(REPORT)}


@pytest.fixture(scope="module")
def figure():
    """Two batch sizes in two dtypes, drawn."""
    figure = plots.plot_f1_vs_latency(RESULTS, INTERVALS, "hf-pipeline", NAMES)
    figure.canvas.draw()
    return figure


def test_a_panel_for_each_batch_size_labels_the_rows_of_the_table_and_no_label_covers_another_or_a_mark(figure):
    assert [axis.get_title("left") for axis in figure.axes] == ["1 text a call", "32 texts a call"]
    for axis in figure.axes:
        boxes = {text.get_text().replace("\n", " "): text.get_window_extent() for text in axis.texts if text.get_text()}
        assert sorted(label.rpartition(", ")[0] for label in boxes) == sorted(NAMES.values())
        assert not [pair for pair in combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])]
        marks = [line.get_xydata()[0] for line in axis.lines if len(line.get_xydata()) == 1]
        for box in boxes.values():
            assert axis.bbox.x0 - 1 < box.x0 < box.x1 < axis.bbox.x1 + 1
            assert not [mark for mark in axis.transData.transform(marks) if box.padded(4).contains(*mark)]


def test_speed_is_a_multiple_of_the_references_and_what_has_no_label_and_an_f1_far_away_stands_at_the_edge():
    results = RESULTS[RESULTS["batch_size"] == 1].set_index("variant", drop=False)
    far = "onnx-int8"
    results.loc[far, "f1"] = 0.8
    (axis,) = plots.plot_f1_vs_latency(results.reset_index(drop=True), INTERVALS, "hf-pipeline", NAMES).axes
    assert axis.get_xscale() == "log"
    (low, high), reference = axis.get_ylim(), results.loc["hf-pipeline", "f1"]
    assert reference - 2 * WINDOW < low < reference < high < reference + 2 * WINDOW
    speed = REPORT.comparisons[far, "hf-pipeline", 1]["speedup"]
    assert "full network in the pipeline, 1.0×" in {text.get_text().replace("\n", " ") for text in axis.texts}
    assert [speed, low] in [list(line.get_xydata()[0]) for line in axis.lines]


def test_the_legend_explains_every_symbol_and_these_differ_without_colour(figure):
    kinds = set(RESULTS["kind"])
    assert kinds > {"baseline", "truncate"}
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert kinds | {"float32", "int8"} <= set(handles)
    assert len({handles[kind].get_marker() for kind in kinds}) == len(kinds)
    assert handles["float32"].get_fillstyle() != handles["int8"].get_fillstyle()
