"""Figures of README, model card and docs are those of the published reports, which follow from their records."""

import os
import re

import numpy as np
import pandas as pd
import pytest

from engine.corpora import load_corpus
from engine.pruning.cost import add
from engine.text.scoring import Counts, count_documents
from eval.figures import PAGES, ROOT, filled
from eval.render.folder import ReportFolder
from eval.render.report import MODEL_INDEX, model_index
from eval.statistics import compare_f1, compare_speed
from tests.conftest import needs_vnni

REPORTS = (path.parent for path in sorted(ROOT.glob("docs/*/results.csv")))
BY_SIZE = [pytest.param(path, marks=[pytest.mark.slow] * path.name.startswith("bc5cdr")) for path in REPORTS]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_figures_of_the_reports_that_it_names(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    tables = re.findall(r"<!-- figures: .* -->\n(.*?)<!-- end", text, re.DOTALL)
    assert tables
    assert filled(text) == text
    for table in tables:
        assert len(table.splitlines()) <= 2 + 6
        assert not re.search(r"pp|\[|@", table)
    for file in re.findall(r"# figures: (\S+)", text):
        folder = (ROOT / file).parent
        assert model_index(ReportFolder(folder)) == (folder / MODEL_INDEX).read_text(encoding="utf-8")


def test_the_table_of_other_systems_has_our_figures_and_a_source_for_each_row():
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    table = page.partition("## Against other systems")[2].partition("\n\nStanza's")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    del rows[:2]  # headings
    assert len(rows) >= 5
    ours = 0
    for system, both, *types, source in rows:
        assert re.search(r"\]\((https://|[\w-]+/report\.md)", source), system
        if folder := re.search(r"\]\(([\w-]+)/report\.md", source):
            report, (variant,) = ReportFolder(ROOT / "docs" / folder[1]), re.findall(r"`(.+?)`", system)
            (row,) = [row for row in report.variants if row["variant"] == variant]
            groups = report.frame("subgroups")
            groups = groups[(groups["variant"] == variant) & (groups["dimension"] == "type")].set_index("group")["f1"]
            assert [both, *types] == [f"{f1:.4f}" for f1 in (row["f1"], groups["Chemical"], groups["Disease"])]
            ours += 1
    assert ours == 2


def test_the_caveats_bound_what_is_lost_elsewhere():
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    text = page.partition("## Caveats")[2].partition("\n## ")[0]
    for name in ("ncbi-disease-test", "biored-dev"):
        report = ReportFolder(ROOT / "docs" / name)
        lost = report.against_dense("entropy:balanced")["loss_bound"] * 100
        assert f"{lost:.2f}" in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    (tmp_path / "new.yaml").write_text("new\n")
    page = "---\nlicense: mit\n  # figures: new.yaml\nold\n  # end\n---\n# figures\n"
    assert filled(page, tmp_path) == page.replace("old", "new")
    page = "before\n<!-- figures: docs/bc5cdr-test -->\nold\n<!-- end -->\nafter\n"
    before, new, after = re.split(r"(?s)(?<=-->\n)(.*)(?=<!-- end)", filled(page))
    assert before + "old\n" + after == page
    assert len(new.splitlines()) == 2 + 6


@pytest.mark.slow
@needs_vnni
@pytest.mark.skipif("BIONER_DATA" not in os.environ, reason="no corpora")
@pytest.mark.parametrize("name", ["entropy:balanced", "entropy+recovery:balanced", "attention:balanced"])
def test_todays_code_finds_and_computes_what_the_report_of_the_shipped_weights_says(name, shipped):
    report, corpus = ReportFolder(ROOT / "docs" / "bc5cdr-test"), load_corpus("bc5cdr", "test")
    (published,) = report.frame("results").query("variant == @name and batch_size == 1").to_dict("records")
    found = shipped.tag_batch([document.text for document in corpus.documents], name)
    counts = count_documents(corpus.documents, [result.entities for result in found], corpus.types)
    told = [f"{count.correct}/{count.predicted}" for count in counts]
    assert told == list(report.frame("documents")[f"{name} 0"])
    cost = add([result.cost for result in found])
    assert cost.token_layers_kept == pytest.approx(published["token_layers_kept"], rel=1e-6)
    assert cost.macs / 1e9 / len(found) == pytest.approx(published["gmacs_per_document"], rel=1e-6)


def measured(report):
    """The runs, as counts of documents, by variant, and the times of batches, by variant and batch size."""
    documents, runs = report.frame("documents"), {}
    for column in documents.columns[5:]:
        variant, _ = column.rsplit(" ", 1)
        pairs = zip(documents[column].str.split("/"), documents["gold"], strict=True)
        run = [Counts(int(correct), int(predicted), gold) for (correct, predicted), gold in pairs]
        runs.setdefault(variant, []).append(run)
    times = report.frame("times").groupby(["variant", "batch_size"])["latency_ms"]
    return runs, {key: np.array(of) for key, of in times}


@pytest.mark.parametrize("folder", BY_SIZE, ids=lambda path: path.name)
def test_the_intervals_of_published_reports_follow_from_their_documents_and_times(folder):
    report = ReportFolder(folder)
    runs, times = measured(report)
    again = []
    for row in report.comparisons.values():
        names = {name: row[name] for name in ("variant", "batch_size", "against")}
        pair = row["variant"], row["against"]
        latencies = (times.get((name, row["batch_size"])) for name in pair)
        again.append(names | compare_f1(*map(runs.get, pair)) | compare_speed(*latencies))
    published = report.frame("intervals")
    pd.testing.assert_frame_equal(pd.DataFrame(again)[list(published)], published, rtol=1e-5, check_dtype=False)
