"""Reports: which exist, on which weights they are, and what the tab Evidence shows of one."""

from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import REPORTS, Report, find_reports, own_report
from demo.tabs.evidence import show
from eval.render import table
from tests.demo.conftest import DIGEST
from tests.demo.tabs.conftest import text_of

ENGINE, OTHER = SimpleNamespace(digest=DIGEST), SimpleNamespace(digest="f" * 64)


def test_opens_with_the_table_of_roles_of_the_report_or_says_how_to_create_one(report):
    shown = text_of(show(ENGINE, report).partition("</table>")[0])
    for row in table(report).rows:
        assert "".join(map(str, row)) in shown
    assert "python -m eval.report" in show(ENGINE, None)


def test_the_picture_and_the_whole_report_are_linked_and_one_on_another_model_says_so(report):
    page = show(OTHER, Report(REPORTS / "bc5cdr-test"))
    assert '<img src="docs/bc5cdr-test/f1_vs_latency.png"' in page
    assert 'href="docs/bc5cdr-test/report.md"' in page
    assert "measured another model" in page
    assert "measured another model" not in show(ENGINE, report)


def test_texts_from_files_are_text(report):
    for name in ("results", "intervals"):
        path = report.folder / f"{name}.csv"
        table = pd.read_csv(path).replace("openvino-int8", "<img src=y> ${2}")
        (table.assign(corpus="<img src=x> ${1}") if name == "results" else table).to_csv(path, index=False)
    page = show(ENGINE, report)
    assert "<img src=" not in page
    assert "${" not in page


def test_every_folder_with_a_finished_run_is_a_report_that_says_on_which_weights(report):
    folder = report.folder.parent
    assert {name: found.folder for name, found in find_reports(folder).items()} == {"one": report.folder}
    assert own_report(ENGINE, folder).folder == report.folder
    assert own_report(OTHER, folder) is None


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl")],
)
def test_the_title_names_the_model_and_the_corpus_as_readers_know_it(report, corpus, split, shown):
    results = report.folder / "results.csv"
    pd.read_csv(results).assign(corpus=corpus, split=split).to_csv(results, index=False)
    assert report.title == f"m on {shown}"
