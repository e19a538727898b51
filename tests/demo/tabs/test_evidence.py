"""The tab Evidence: a report's table of roles, its picture, and a link to all of it."""

import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import REPORTS, Report
from demo.tabs.evidence import show
from eval.render import roles
from tests.demo.tabs.conftest import text_of

DIGEST = "0123456789abcdef" * 4
SHIPPED = Report(REPORTS / "bc5cdr-test")  # on the shipped weights


@pytest.fixture
def report(tmp_path):
    """A report on weights with ``DIGEST``."""
    for name in ("results", "intervals", "errors", "times"):
        shutil.copy(SHIPPED.folder / f"{name}.csv", tmp_path)
    about = {"weights": f"SHA-256 {DIGEST[:16]}…", "machine": "Linux"}
    (tmp_path / "results.json").write_text(json.dumps({"about": about, "notes": []}))
    return Report(tmp_path)


def engine_of(digest):
    return SimpleNamespace(digest=digest)


def test_opens_with_the_table_of_roles_of_the_report_or_says_how_to_create_one(report):
    shown = text_of(show(engine_of(DIGEST), report).partition("</table>")[0])
    for row in roles(report).rows:
        assert "".join(map(str, row)) in shown
    assert "python -m eval.report" in show(engine_of(DIGEST), None)


def test_the_picture_and_the_whole_report_are_linked_and_one_on_another_model_says_so(report):
    page = show(engine_of("f" * 64), SHIPPED)
    assert '<img src="docs/bc5cdr-test/f1_vs_latency.png"' in page
    assert 'href="docs/bc5cdr-test/report.md"' in page
    assert "measured another model" in page
    assert "measured another model" not in show(engine_of(DIGEST), report)


def test_texts_from_files_are_text(report):
    for name in ("results", "intervals"):
        path = report.folder / f"{name}.csv"
        table = pd.read_csv(path).replace("openvino-int8", "<img src=y> ${2}")
        (table.assign(corpus="<img src=x> ${1}") if name == "results" else table).to_csv(path, index=False)
    page = show(engine_of(DIGEST), report)
    assert "<img src=" not in page
    assert "${" not in page
