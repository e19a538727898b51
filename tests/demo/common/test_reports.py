"""Reports: which exist, what they are called and say about themselves, and on which weights they are."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import ReportFolder, find_reports, own_report

DIGEST = "0123456789abcdef" * 4
ABOUT = {"corpus": "made-up", "split": "test", "documents": 7, "device": "cpu", "threads": 2}
RESULTS = pd.DataFrame([ABOUT | {"dtype": "float32", "commit": "abc"}])


@pytest.fixture
def report(tmp_path):
    for name in ("one", "empty"):
        (tmp_path / name).mkdir()
    RESULTS.to_csv(tmp_path / "one" / "results.csv", index=False)
    return find_reports(tmp_path)["one"]


def say(report, **about):
    """The report with a ``results.json``."""
    (report.folder / "results.json").write_text(json.dumps({"about": about}))
    return ReportFolder(report.folder)


def engine_of(digest):
    return SimpleNamespace(digest=digest)


def test_every_folder_with_results_is_a_report_that_says_what_it_measured_on_which_weights(report):
    folder = report.folder.parent
    assert list(find_reports(folder)) == ["one"]
    assert "does not name its weights" in report.other_weights(DIGEST)
    report = say(report, weights=f"SHA-256 {DIGEST[:16]}…")
    assert report.other_weights(DIGEST) == ""
    assert "measured another model" in report.other_weights("f" * 64)
    assert own_report(engine_of(DIGEST), folder) == report
    assert own_report(engine_of("f" * 64), folder) is None
    expected = "corpus made-up; split test; documents 7; device cpu; threads 2; commit abc"
    assert report.conditions == f"Measured on: {expected}."
    assert say(report, model="m").title == "m on made-up"


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl all")],
)
def test_the_corpus_is_named_as_readers_know_it(tmp_path, corpus, split, shown):
    RESULTS.assign(corpus=corpus, split=split).to_csv(tmp_path / "results.csv", index=False)
    assert ReportFolder(tmp_path).corpus == shown
