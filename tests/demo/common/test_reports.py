"""Reports: which exist, what they are called, and on which weights they are."""

from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import find_reports, own_report
from tests.demo.conftest import DIGEST


def test_every_folder_with_a_finished_run_is_a_report_that_says_on_which_weights(report):
    folder = report.folder.parent
    assert {name: found.folder for name, found in find_reports(folder).items()} == {"one": report.folder}
    assert own_report(SimpleNamespace(digest=DIGEST), folder).folder == report.folder
    assert own_report(SimpleNamespace(digest="f" * 64), folder) is None


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl all")],
)
def test_the_title_names_the_model_and_the_corpus_as_readers_know_it(report, corpus, split, shown):
    results = report.folder / "results.csv"
    pd.read_csv(results).assign(corpus=corpus, split=split).to_csv(results, index=False)
    assert report.title == f"m on {shown}"
