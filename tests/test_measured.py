"""Figures of README, model card and docs are those of the published reports, which follow from their records."""

import re

import numpy as np
import pandas as pd
import pytest

from engine.errors import InputError
from engine.text.scoring import Counts
from eval.analysis.tables import Counted, interval_row
from eval.readme import DOCS, PAGES, PARTS, filled, reports
from eval.render.files import read_table, rows_of

PAGE = "before\n<!-- figures: {} -->\nold\n<!-- end -->\nafter\n"
REPORTS = (path.parent.name for path in sorted(DOCS.glob("*/results.csv")))
BY_SIZE = [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("bc5cdr")) for name in REPORTS]


@pytest.mark.parametrize("page", PAGES, ids=[f"{page.parent.name}/{page.name}" for page in PAGES])
def test_writing_the_figures_again_changes_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text


def test_every_part_is_on_a_page():
    marks = re.findall(r"<!-- figures: ([\w-]+) -->", "".join(page.read_text(encoding="utf-8") for page in PAGES))
    assert set(marks) == set(PARTS)


def test_only_what_stands_between_the_marks_is_written_and_a_part_must_be_known():
    page = filled(PAGE.format("claim"))
    assert page.startswith("before\n<!-- figures: claim -->\nIts default")
    assert page.endswith("**.\n<!-- end -->\nafter\n")
    with pytest.raises(InputError, match=r"expected figures named claim, .* got clam; rename the part"):
        filled(PAGE.format("clam"))


def test_a_report_that_is_not_there_is_left_out():
    assert reports("bc5cdr-test-none") == []
    assert [report.name for report in reports("bc5cdr-test-none", "biored-dev")] == ["biored-dev"]


def counts(folder):
    """What intervals are computed from, by strategy, dtype and batch size."""
    documents, runs = read_table(folder, "documents"), {}
    for column in documents.columns[2:]:
        strategy, dtype, size, _ = column.rsplit(" ", 3)
        pairs = zip(documents[column].str.split("/"), documents["gold"], strict=True)
        run = [Counts(int(correct), int(predicted), gold) for (correct, predicted), gold in pairs]
        runs.setdefault((strategy, dtype, int(size)), []).append(run)
    times = read_table(folder, "times").groupby(["strategy", "dtype", "batch_size"])["latency_ms"]
    return {key: Counted(key, runs[key], np.array(of)) for key, of in times}


@pytest.mark.parametrize("name", BY_SIZE)
def test_the_intervals_of_published_reports_follow_from_their_documents_and_times(name):
    counted, published = counts(DOCS / name), read_table(DOCS / name, "intervals")
    again = [
        interval_row(
            counted[row["strategy"], row["dtype"], row["batch_size"]],
            counted[row["against"], row["against_dtype"], row["batch_size"]],
        )
        for row in rows_of(published)
    ]
    pd.testing.assert_frame_equal(pd.DataFrame(again)[list(published)], published, rtol=1e-5, check_dtype=False)
