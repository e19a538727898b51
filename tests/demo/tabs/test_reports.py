"""The tab Reports: a report's conclusions, its plots, and its chart: each variant is a button with its figures."""

import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from demo.common.reports import REPORTS, ReportFolder
from demo.tabs.reports import PICTURES, pictures, plot_calibration, show, updates_to_try
from demo.tabs.reports.chart import chart
from demo.tabs.reports.marks import read_marks
from engine.pruning.strategy_names import resolve

DIGEST = "0123456789abcdef" * 4
SHIPPED = ReportFolder(REPORTS / "bc5cdr-test")  # on the shipped weights
RULE = resolve("rule", 6, {})


def ringed(page):
    """The names of ringed marks."""
    return [part.partition('aria-label="')[2].partition(": ")[0] for part in page.split('class="current"')[1:]]


@pytest.fixture
def report(tmp_path):
    """A report on weights with ``DIGEST``."""
    for name in ("results", "intervals"):
        shutil.copy(SHIPPED.folder / f"{name}.csv", tmp_path)
    (tmp_path / "results.json").write_text(json.dumps({"about": {"weights": f"SHA-256 {DIGEST[:16]}…"}}))
    return ReportFolder(tmp_path)


def engine_of(report, digest=DIGEST):
    own = {"source": str(report.folder), "digest": digest, "dtype": "float32", "runnable": ["dense", "entropy"]}
    return SimpleNamespace(**own, points={"entropy": {"balanced": {}, "fast": {}}})


def test_current_settings_are_ringed_in_a_report_on_these_weights(shipped, report):
    current = [shipped.strategy("dense"), shipped.strategy("entropy", "fast"), shipped.strategy("rule", lambda_=1.9)]
    page = show(engine_of(report), report, 1, current)
    assert sorted(ringed(page)) == ["dense (float32)", "entropy:fast (float32)"]
    assert "did not measure the current settings of rule." in page
    page = show(engine_of(report, "f" * 64), report, 1, current)
    assert "measured other weights" in page
    assert ringed(page) == []


def test_without_a_report_it_says_how_to_create_one(report):
    assert "python -m eval.report" in show(engine_of(report), None, 1, [])


def test_marks_that_the_page_can_run_can_be_tried(report):
    page = show(engine_of(report), report, 1, [])
    found = re.findall('data-strategy="(.*?)" data-point="(.*?)"', page)
    assert sorted(found) == [("dense", ""), ("entropy", "balanced"), ("entropy", "fast")]  # the engine has no careful


def test_a_tried_mark_sets_strategies_and_settings_and_nothing_else_does(shipped):
    names, point, trigger, *values = updates_to_try(shipped, "entropy", "fast")
    assert (names, point, trigger) == (["dense", "entropy"], "fast", "")
    assert all(isinstance(value, float) for value in values)
    skipped = updates_to_try(shipped, "<script>", {"x": 1})
    assert skipped[0] == ["dense"]
    assert all(isinstance(update, dict) for update in skipped[1:])  # unchanged


def test_batch_sizes_are_shown_one_at_a_time(report):
    assert "Batch size: 32." in show(engine_of(report), report, 32, [])
    assert "Batch size: 1." in show(engine_of(report), report, 7, [])  # not measured: the first one


def test_the_reports_conclusions_stand_above_the_chart_losses_included(report):
    before, drawing, _ = show(engine_of(report), report, 1, []).partition('<figure class="frontier">')
    assert drawing
    opening = report.opening("float32")
    label, speedup = opening.recommended["label"], opening.recommended["speedup_vs_dense"]
    change = 100 * opening.against_dense(label)["difference"]
    for part in (f"<code>{label}</code> is {speedup:.2f}× as fast as", f"{change:+.2f} pp"):
        assert part in before


def test_calibration_rings_equal_settings_whatever_their_names():
    records = [one.to_json() | {"point": ""} for one in (RULE, RULE.with_settings(lambda_=1.9))]
    figures = {"f1_drop_points": [0.1, 0.2], "theoretical_speedup": [2.0, 3.0]}
    table = pd.DataFrame({"strategy": "rule", "settings": list(map(json.dumps, records)), **figures})
    (axis,) = plot_calibration(table, [RULE]).axes
    assert [tuple(place) for line in axis.lines for place in np.transpose(line.get_data())] == [(0.1, 2), (0.2, 3)]
    (rings,) = (one for one in axis.collections if isinstance(one, PathCollection))
    assert rings.get_offsets().tolist() == [[0.1, 2]]


def test_all_plots_of_a_report_are_shown_and_say_what_they_were_measured_on():
    made = {path.name for path in SHIPPED.folder.glob("*.png")}
    assert {"f1_vs_latency.png", "groups.png", "exits.png", "speed.png"} <= made
    assert {name.replace("-int8.", ".") for name in made} <= set(PICTURES)
    page = pictures(SHIPPED)
    assert page.count("<img") == page.count("Measured on: corpus bc5cdr; split test; documents 500") == len(made)
    assert "by gold label and layer, int8." in page


def test_texts_from_files_are_text(report):
    for name in ("results", "intervals"):
        path = report.folder / f"{name}.csv"
        table = pd.read_csv(path).replace("onnx", "<img src=y> ${2}")
        (table.assign(corpus="<img src=x> ${1}") if name == "results" else table).to_csv(path, index=False)
    page = show(engine_of(report), report, 1, [])
    assert "<img src=" not in page
    assert "${" not in page


def changed(mark, **figures):
    return replace(mark, row=mark.row | figures)


@pytest.fixture(scope="module")
def found():
    """The shipped report's variants at batch size 1."""
    return [mark for mark in read_marks(SHIPPED) if mark.row["batch_size"] == 1]


@pytest.fixture(scope="module")
def marks(found):
    """The float32 variants and the baselines among them."""
    own = [mark for mark in found if mark.kind == "baseline" or mark.row["dtype"] == "float32"]
    return [changed(mark, label=mark.row["strategy"]) for mark in own]


def places(page):
    """Positions of the marks, in percent from the left and the top."""
    found = re.findall(r"--x:([\d.]+)%;--y:([\d.]+)%.*?aria-label=\"([^:\"]+(?::\w+)?): ", page)
    return {name: (float(x), float(y)) for x, y, name in found}


def test_every_variant_is_a_button_that_names_its_figures(marks):
    page = chart(marks, (), {"entropy:fast": ("entropy", "fast")}, "")
    assert page.count("<button") == len(marks)
    fast = next(mark for mark in marks if mark.label == "entropy:fast")
    assert f'aria-label="entropy:fast: F1 {fast.f1:.4f} [' in page
    assert f"speed-up {fast.speedup:.2f}×" in page
    assert page.count("press to try it") == page.count("Click to try it") == 1


def test_fast_lies_to_the_right_and_accurate_above(marks):
    at = places(chart(marks, (), {}, ""))
    assert at["entropy:fast"][0] > at["entropy"][0] > at["dense"][0]
    assert at["dense"][1] < at["entropy"][1] < at["openvino-int8 truncate-3"][1]


def test_one_bad_variant_does_not_squash_the_axes(marks):
    bad = changed(marks[0], label="bad", f1=0.1, speedup_vs_dense=500.0)
    page = chart([*marks, bad], (), {}, "")
    assert places(page).items() >= places(chart(marks, (), {}, "")).items()
    assert "F1 0.1000" in page
    assert "speed-up 500.00×" in page


def test_a_variant_in_two_dtypes_has_two_marks_each_against_the_first_dense(found):
    labels = [mark.label for mark in found]
    assert len(labels) == len(set(labels))
    assert {"dense (float32)", "dense (int8)", "entropy:fast (int8)"} <= set(labels)
    assert {mark.against_dense["against_label"] for mark in found} == {"dense (float32)"}
    assert "speed-up against dense (int8)" in chart(found, (), {}, "")
