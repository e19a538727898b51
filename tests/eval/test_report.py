import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from engine.cli.runs import locked
from engine.formats import read_documents
from engine.pruning.controllers import CONTROLLERS
from engine.text.labels import LabelSet
from eval.options import SAMPLE
from eval.render.files import read_tables
from eval.render.plots import styles
from eval.report import main
from tests.engine.pruning.test_new_controller import EveryOther

DOCS = Path(__file__).resolve().parents[2] / "docs"
REPORTS = sorted(path.parent.name for path in DOCS.glob("*/results.csv"))
KINDS = [  # strategy, kind, replays, prunes
    ("dense", "dense", "", False),
    ("entropy", "entropy", "", True),
    ("random@entropy", "random", "entropy", False),
    ("truncate-1", "truncate", "", False),
    ("entropy+recovery", "entropy", "", True),
    ("hf-pipeline", "baseline", "", False),
    ("same", "model", "", False),
    ("pruned", "model", "", False),
]


def row(table: pd.DataFrame, strategy: str, size: int = 1, dtype: str = "float32") -> pd.Series:
    return table.set_index(["strategy", "batch_size", "dtype"]).loc[(strategy, size, dtype)]


@pytest.fixture(scope="module")
def results(run):
    return pd.read_csv(run / "results.csv")


@pytest.fixture
def report(model_folder, tmp_path, one_pixel):
    """Runs the command on two documents with ``dense`` alone, unless told otherwise; returns status and folder."""

    def start(*options: str, model: Path = model_folder, out: str = "out") -> tuple[int, Path]:
        defaults = ["--model", str(model), "--limit", "2", "--batch-size", "1", "--strategies", "dense"]
        defaults += ["--dtype", "float32", "--baselines", "none"]
        return main([*defaults, "--out", str(tmp_path / out), *options]), tmp_path / out

    return start


def test_there_is_a_row_for_each_batch_size_and_variant_and_it_says_what_the_variant_is(results):
    facts = results[["strategy", "kind", "replays", "prunes"]].fillna("")
    for size in (1, 4):
        for dtype in ("float32", "bfloat16"):
            rows = facts[(results["batch_size"] == size) & (results["dtype"] == dtype)]
            kinds = rows.itertuples(index=False, name=None)
            assert sorted(kinds) == sorted(one for one in KINDS if dtype == "float32" or one[0] != "hf-pipeline")


def test_what_runs_the_same_weights_finds_the_same_pruning_costs_less_and_random_as_much(results):
    for size in (1, 4):
        dense = row(results, "dense", size)
        assert dense["speedup_vs_dense"] == dense["theoretical_speedup"] == dense["token_layers_kept"] == 1
        for name in ("hf-pipeline", "same"):
            assert row(results, name, size)[["f1", "f1_seqeval"]].equals(dense[["f1", "f1_seqeval"]])
    assert pd.isna(row(results, "hf-pipeline")["gmacs_per_document"])
    kept = {name: row(results, name)["token_layers_kept"] for name in ("entropy", "random@entropy", "truncate-1")}
    assert kept["entropy"] < 1 < row(results, "entropy")["theoretical_speedup"]
    assert kept["random@entropy"] == pytest.approx(kept["entropy"], abs=0.1)
    assert kept["truncate-1"] == pytest.approx(1 / 3)


def test_variants_are_compared_with_dense_in_both_dtypes_and_strategies_with_all_that_they_must_beat(run):
    intervals = pd.read_csv(run / "intervals.csv")
    assert (intervals["low"] <= intervals["high"]).all()
    assert (intervals["f1_low"] <= intervals["f1"]).all()
    of = intervals[(intervals["strategy"] == "entropy") & (intervals["dtype"] == "bfloat16")]
    assert set(of[["against", "against_dtype"]].itertuples(index=False, name=None)) == {
        *(("dense", dtype) for dtype in ("float32", "bfloat16")),
        *((name, "bfloat16") for name in ("random@entropy", "truncate-1", "same", "pruned")),
        ("hf-pipeline", "float32"),
    }


def test_speedups_are_ratios_of_times_of_the_timed_documents_and_f1_is_of_all(run, results):
    assert set(results["documents"]) == {6}
    assert set(results["timed_documents"]) == {5}
    batches = pd.read_csv(run / "times.csv").groupby(["strategy", "dtype", "batch_size"])["latency_ms"]
    assert batches.size().unique().tolist() == [5, 2]
    times = batches.sum()
    for _, one in results.iterrows():
        own = times[one["strategy"], one["dtype"], one["batch_size"]]
        for column, dtype in (("speedup_vs_dense", "float32"), ("speedup_vs_dense_same_dtype", one["dtype"])):
            assert one[column] == pytest.approx(times["dense", dtype, one["batch_size"]] / own)


def test_the_report_says_what_it_is_opens_with_a_summary_and_has_all_parts(run):
    text = (run / "report.md").read_text()
    assert ", ".join(re.findall(r"^## (.+)$", text, re.MULTILINE)) == (
        "Contents, F1 against speed-up, Results, Errors, Early exits, Groups, Cost, How this was measured"
    )
    *_, counted, sentences, about, rows = text.partition("\n\n## Contents")[0].split("\n\n")
    assert re.fullmatch(r"6 documents with \d+ entities\.", counted)
    assert sentences.startswith("- ")
    assert " documents a second, 4 a call, on " in sentences
    assert "1024 MiB" in sentences
    assert about.startswith("Everything is compared with `dense (float32)`, ")
    assert rows.splitlines()[2].startswith("| reference | dense (float32) |")
    assert 3 <= len(rows.splitlines()) - 2 <= 9
    for plot in ("exits", "groups", "f1_vs_latency"):
        assert f"{plot}.png" in text
        assert (run / f"{plot}.png").is_file()


def test_settings_of_variants_are_stated_and_their_predictions_written(run):
    settings = json.loads((run / "results.json").read_text())["about"]["settings"]
    assert settings["entropy"]["controller"]["max_entropy"] == 0.4
    assert "at batch size 1" in settings["hf-pipeline"]["fastest"]
    assert json.loads(settings["pruned (float32)"]["strategy"])["name"] == "entropy"
    found = {path.stem: list(read_documents(path)) for path in (run / "found").iterdir()}
    assert {"dense (float32)", "dense (bfloat16)", "hf-pipeline", "random@entropy (bfloat16)"} <= set(found)
    assert {len(documents) for documents in found.values()} == {6}
    assert any(document.entities for document in found["dense (float32)"])


def test_a_file_says_what_the_labels_of_a_checkpoint_mean(report, plain_folder, tmp_path, capsys):
    labels = tmp_path / "labels"
    for text, status, said in (
        ("B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n", 0, ""),
        ("I-Disease\nB-Disease\nO\nB-Chemical\nI-Chemical\n", 2, "expected to continue the run"),
        ("O", 2, "expected 5 labels"),
    ):
        labels.write_text(text)
        assert report("--labels", str(labels), model=plain_folder)[0] == status
        assert said in capsys.readouterr().err


def test_a_report_says_whether_other_processes_ran(report, run, monkeypatch):
    monkeypatch.setattr("eval.measure.setup.busy_share", lambda: 0.9)
    _, out = report()
    sentence = "Other processes used 90% of the processors when this began: distrust the times."
    assert sentence in (out / "report.md").read_text(encoding="utf-8")
    assert "Other processes" not in (run / "report.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("one_pixel")
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one != REPORTS[-1])) for one in REPORTS]
)
def test_published_reports_are_rendered_again_from_their_files(tmp_path, name):
    out = shutil.copytree(DOCS / name, tmp_path / "out")
    assert main(["--render-only", "--out", str(out)]) == 0


@pytest.mark.parametrize("name", REPORTS)
def test_published_reports_are_small_and_short_and_their_links_lead_somewhere(name):
    sizes = {path: path.stat().st_size for path in (DOCS / name).iterdir()}  # git keeps every version
    assert sum(sizes.values()) < 1_500_000
    assert all(size < 300_000 for path, size in sizes.items() if path.suffix == ".png")
    assert len((DOCS / name / "report.md").read_text().splitlines()) <= 250
    page = (DOCS / name / "report.html").read_text()
    for target in re.findall(r'href="([^"]+)"', page):
        assert f'id="{target[1:]}"' in page if target.startswith("#") else (DOCS / name / target).is_file()


def test_a_corpus_with_neither_gold_nor_predictions_has_a_report(report, tmp_path, monkeypatch):
    monkeypatch.setattr(LabelSet, "decode", lambda *_: ())
    (tmp_path / "gold.jsonl").write_text('{"text": "Nausea."}\n' * 2)
    _, out = report("--corpus", str(tmp_path / "gold.jsonl"), "--strategies", "entropy", "--types", "Disease")
    assert "## Groups\n\nNo mentions, no groups." in (out / "report.md").read_text()


def test_types_that_the_corpus_does_not_have_are_scored_if_they_are_named(report, tmp_path):
    gold = tmp_path / "gold.txt"
    gold.write_text("1|t|Nausea after aspirin.\n1|a|\n1\t0\t6\tNausea\tDisease\t-1\n")
    for types, scored in (((), ["Disease"]), (("--types", "Chemical,Disease"), ["Chemical", "Disease"])):
        _, out = report("--corpus", str(gold), *types, out=f"out{len(scored)}")
        gold_types = pd.read_csv(out / "confusion.csv")["gold"].unique().tolist()
        assert gold_types == [*scored, "none"]


def test_a_broken_corpus_is_refused_and_skip_bad_evaluates_the_rest(report, tmp_path, caplog, capsys):
    broken = tmp_path / "broken.txt"
    broken.write_text(SAMPLE.read_text().replace("sample-01\t0\t19\t", "sample-01\t0\t9999\t", 1))
    assert report("--corpus", str(broken))[0] == 2
    expected = f"{broken}:3: document sample-01: expected a span inside the text"
    assert capsys.readouterr().err.startswith(expected)
    _, out = report("--corpus", str(broken), "--skip-bad")
    assert expected in caplog.text
    assert pd.read_csv(out / "results.csv")["documents"].tolist() == [2]
    assert "Broken documents left out: 1." in (out / "report.md").read_text()


def test_a_folder_that_another_process_writes_to_is_refused(report, tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert report()[0] == 2
    assert "to be free, got one that another process writes to" in capsys.readouterr().err


def test_a_new_controller_is_measured_and_plotted_with_its_settings(report, monkeypatch):
    monkeypatch.setitem(CONTROLLERS, EveryOther.kind, EveryOther)
    names = "every-other,every-other+recovery,random@every-other"
    _, out = report("--limit", "1", "--strategies", names, "--set", "every-other.stride=3")
    table = pd.read_csv(out / "results.csv").set_index("strategy")
    assert list(table.index) == ["dense", *names.split(",")]
    assert table["prunes"].tolist() == [False, True, True, False]
    assert table.loc["every-other", "token_layers_kept"] < 1
    assert "every-other" in styles(read_tables(out, "results")["results"])
    assert "every-other" in (out / "report.md").read_text()
