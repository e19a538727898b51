"""Reports: which exist, what they are called, and on which weights they are."""

import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import REPORTS, Report, find_reports, own_report

DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def report(tmp_path):
    """A report called ``one``, beside a folder without a finished run."""
    for name in ("one", "unfinished"):
        (tmp_path / name).mkdir()
        for table in ("results", "intervals", "errors"):
            shutil.copy(REPORTS / "biored-dev" / f"{table}.csv", tmp_path / name)
    about = {"model": "m", "weights": f"SHA-256 {DIGEST[:16]}…"}
    (tmp_path / "one" / "results.json").write_text(json.dumps({"about": about, "notes": []}))
    return Report(tmp_path / "one")


def engine_of(digest):
    return SimpleNamespace(digest=digest)


def test_every_folder_with_a_finished_run_is_a_report_that_says_on_which_weights(report):
    folder = report.folder.parent
    assert {name: found.folder for name, found in find_reports(folder).items()} == {"one": report.folder}
    assert own_report(engine_of(DIGEST), folder).folder == report.folder
    assert own_report(engine_of("f" * 64), folder) is None


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl all")],
)
def test_the_title_names_the_model_and_the_corpus_as_readers_know_it(report, corpus, split, shown):
    results = report.folder / "results.csv"
    pd.read_csv(results).assign(corpus=corpus, split=split).to_csv(results, index=False)
    assert report.title == f"m on {shown}"
