"""What the page says first is what the report of its weights says in its dtype."""

import re
from copy import copy

import pytest

from demo.evidence import PLOTS, evidence, find_report, headline, publish
from engine import load_engine
from eval.render.folder import ReportFolder
from eval.render.summary import default, summary_rows
from eval.schema import BUSY


@pytest.fixture(scope="module")
def shipped():
    return load_engine(dtype="int8")


@pytest.fixture(scope="module")
def report(shipped):
    return find_report(shipped)


def test_the_headline_takes_its_numbers_from_the_report_and_has_at_most_45_words(shipped, report):
    said = headline(shipped, report)
    row = default(report)
    whole = [other["variant"] for other in report.variants if other["runtime"] and not other["layer"]]
    speeds = [min(report.comparisons[row["variant"], name, size]["speedup"] for name in whole) for size in report.sizes]
    assert f"{min(speeds):.1f} to {max(speeds):.1f} times as fast as the fastest runtime" in said
    assert report.against_dense(row["variant"])["loss_bound"] <= 0.005
    assert "at most half a point" in said
    assert len(said.split()) <= 45


def test_without_a_report_in_this_dtype_nothing_is_claimed(shipped, report, engine, plain_engine):
    other = copy(shipped)
    other.dtype = "float32"
    assert not re.search(r"\d", headline(other, report))
    busy = ReportFolder(report.folder)
    busy.about = report.about | {BUSY: "other work ran"}
    assert not re.search(r"\d", headline(shipped, busy)), "its times are doubtful"
    assert find_report(engine) is None
    assert not re.search(r"\d", headline(engine, None))
    assert "no gates" in headline(plain_engine, None)
    assert "No report measured these weights" in evidence(None)


def test_at_most_six_rows_have_one_reference_and_the_default_is_among_them(report):
    rows = summary_rows(report)
    assert 3 < len(rows) <= 6
    assert rows[0][1]["variant"] == "hf-pipeline"
    assert default(report)["variant"] in [row["variant"] for _, row in rows]
    page = evidence(report)
    assert 3 < len(re.findall("^[|]", page, re.MULTILINE)) - 2 <= 6
    assert all(name in page for name in PLOTS if (report.folder / name).is_file())
    assert not re.search(r"@|\[[-+]", page), "no identifiers, no intervals"


def test_a_report_shows_its_confusion_if_it_has_one(report, tmp_path):
    copied = copy(report)
    copied.folder = tmp_path
    assert "![" not in evidence(copied)
    (tmp_path / "confusion.png").touch()
    assert evidence(copied).count("![") == evidence(copied).count("confusion.png") == 1


def test_report_and_card_are_static_pages_without_links_to_what_is_not_there(shipped, report):
    links = publish(shipped, report)
    assert set(links) == {"Report", "Model card", "README"}
    for address in links.values():
        page = open(address.partition("file=")[2], encoding="utf-8").read()  # noqa: SIM115, PTH123
        assert re.findall(r'<a href="(?!https?:|#)', page) == []
        assert "<script" not in page


def test_of_several_reports_on_the_same_weights_the_main_one_is_shown(report):
    assert report.name == "bc5cdr-test"
