"""A report's chart: every variant is a button with its figures, none squashes the axes, and a table has them all."""

import re
from dataclasses import replace

import pytest

from demo.common.reports import REPORTS, ReportFolder
from demo.tabs.reports.chart import chart
from demo.tabs.reports.marks import read_marks


def changed(mark, **figures):
    return replace(mark, row=mark.row | figures)


@pytest.fixture(scope="module")
def found():
    """The shipped report's variants at batch size 1."""
    return [mark for mark in read_marks(ReportFolder(REPORTS / "bc5cdr-test")) if mark.row["batch_size"] == 1]


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
    page = chart(found, (), {}, "")
    assert "speed-up against dense (int8)" in page
    of_int8 = [mark for mark in found if (mark.kind, mark.row["dtype"]) == ("entropy", "int8")]
    assert page.count('class="marker kind-entropy light"') == len(of_int8) > 0
