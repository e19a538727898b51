import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from engine.cli.runs import locked
from engine.settings import from_values, to_values
from engine.text.labels import LabelSet
from eval.config import SAMPLE, ReportConfig
from eval.render.pages import as_html
from eval.report import main
from eval.report import report as make_report

DOCS = Path(__file__).resolve().parents[2] / "docs"
REPORTS = sorted(path.parent.name for path in DOCS.glob("*/results.csv"))
KINDS = [  # strategy, kind, prunes
    ("dense", "dense", False),
    ("entropy", "entropy", True),
    ("random@entropy", "random", False),
    ("truncate-1", "truncate", False),
    ("entropy+recovery", "entropy", True),
    ("hf-pipeline", "baseline", False),
    ("other", "model", False),
]


def row(table: pd.DataFrame, variant: str, size: int = 1, dtype: str = "float32") -> pd.Series:
    named = table.set_index(["variant", "batch_size"])
    return named.loc[(variant if variant == "hf-pipeline" else f"{variant} ({dtype})", size)]


@pytest.fixture(scope="module")
def results(finished):
    return pd.read_csv(finished / "results.csv")


@pytest.fixture
def report(model_folder, tmp_path):
    """Runs the command on two documents with ``dense`` alone, unless told otherwise; returns status and folder."""

    def start(*options: str, model: Path = model_folder, out: str = "out") -> tuple[int, Path]:
        defaults = ["--model", str(model), "--limit", "2", "--batch-size", "1", "--strategies", "dense"]
        defaults += ["--dtype", "float32", "--baselines", "none"]
        return main([*defaults, "--out", str(tmp_path / out), *options]), tmp_path / out

    return start


def test_there_is_a_row_for_each_batch_size_and_variant_and_it_says_what_the_variant_is(results):
    facts = results[["variant", "kind", "prunes"]]
    for size in (1, 4):
        for dtype in ("float32", "int8"):
            rows = facts[(results["batch_size"] == size) & (results["dtype"] == dtype)]
            kinds = rows.replace(rf" \({dtype}\)$", "", regex=True).itertuples(index=False, name=None)
            assert sorted(kinds) == sorted(kind for kind in KINDS if dtype == "float32" or kind[0] != "hf-pipeline")


def test_what_runs_the_same_weights_finds_the_same_pruning_costs_less_and_random_as_much(results):
    for size in (1, 4):
        dense = row(results, "dense", size)
        assert dense["speedup_vs_dense"] == dense["theoretical_speedup"] == dense["token_layers_kept"] == 1
        assert row(results, "other", size)[["f1", "f1_seqeval"]].equals(dense[["f1", "f1_seqeval"]])
    assert pd.isna(row(results, "hf-pipeline")["gmacs_per_document"])
    kept = {name: row(results, name)["token_layers_kept"] for name in ("entropy", "random@entropy", "truncate-1")}
    assert kept["entropy"] < 1 < row(results, "entropy")["theoretical_speedup"]
    assert kept["random@entropy"] == pytest.approx(kept["entropy"], abs=0.1)
    assert kept["truncate-1"] == pytest.approx(1 / 3)


def test_variants_are_compared_with_dense_in_both_dtypes_and_strategies_with_everything(finished):
    intervals = pd.read_csv(finished / "intervals.csv")
    assert (intervals["low"] <= intervals["high"]).all()
    assert (intervals["f1_low"] <= intervals["f1"]).all()
    against = intervals.loc[intervals["variant"] == "entropy (int8)", "against"]
    assert set(against) == set(intervals["variant"]) - {"entropy (int8)"}
    against = intervals.loc[intervals["variant"] == "truncate-1 (int8)", "against"]
    assert set(against) == {"dense (float32)", "dense (int8)", "hf-pipeline"}


def test_speedups_are_ratios_of_times_of_the_timed_documents_and_f1_is_of_all(finished, results):
    assert set(results["documents"]) == {6}
    assert set(results["timed_documents"]) == {6}, "not the 5 that were asked for, because ten calls take all"
    batches = pd.read_csv(finished / "times.csv").groupby(["variant", "batch_size"])["latency_ms"]
    assert set(batches.size()) == {10}
    times = batches.sum()
    for _, result in results.iterrows():
        dense, pruned = (times[name, result["batch_size"]] for name in ("dense (float32)", result["variant"]))
        assert result["speedup_vs_dense"] == pytest.approx(dense / pruned)


def test_every_variant_is_scored_on_further_corpora_by_the_types_that_these_annotate(finished, results):
    table = pd.read_csv(finished / "elsewhere.csv")
    assert len(table) == 20
    intervals = pd.read_csv(finished / "intervals.csv").set_index(["variant", "against", "batch_size"])
    gold = table["gold"].sum()
    for name, of in results[results["kind"] != "random"].groupby("variant"):
        pairs = table[f"{name} 0"].str.split("/", expand=True).astype(int).sum()
        f1 = 2 * pairs[0] / (pairs[1] + gold)
        assert of["elsewhere_f1"].tolist() == pytest.approx([f1] * 2, abs=1e-6)
        compared = intervals.loc[name, "dense (float32)", 1]
        assert compared["elsewhere_f1"] == pytest.approx(f1, abs=1e-6)
        assert compared["elsewhere_low"] <= compared["elsewhere_difference"] <= compared["elsewhere_high"]
    assert set(results["elsewhere_documents"]) == {20}
    about = json.loads((finished / "results.json").read_text())["about"]
    assert about["elsewhere"].endswith("20 documents (Disease)")


def test_names_are_columns(results):
    columns = ["kind", "point", "recovers", "layer", "control", "runtime", "default"]
    first = results[results["batch_size"] == 1].set_index("variant")[columns].astype(object).fillna("")
    rows = {name: list(cells) for name, *cells in first.itertuples(name=None)}
    assert rows["random@entropy (int8)"] == ["random", "", False, 0, "random", "", False]
    assert rows["entropy+recovery (int8)"] == ["entropy", "", True, 0, "", "", False]
    assert rows["truncate-1 (int8)"] == ["truncate", "", False, 1, "", "", False]
    assert rows["hf-pipeline"] == ["baseline", "", False, 0, "", "hf-pipeline", False]


def test_the_report_opens_with_its_summary_and_has_all_parts(finished):
    text = (finished / "report.md").read_text()
    assert ", ".join(re.findall(r"^## (.+)$", text, re.MULTILINE)) == (
        "Results, Errors, Confusion of types, Early exits, Groups, Cost, How this was measured"
    )
    assert "\n\n**6 documents are too few to conclude from; measure 30 or more.**\n\n" in text
    for plot in ("exits", "subgroups", "confusion", "f1_vs_latency"):
        assert f"({plot}.png)" in text
        assert (finished / f"{plot}.png").is_file()


def test_settings_of_variants_are_stated(finished):
    about = json.loads((finished / "results.json").read_text())["about"]
    assert about["default strategy"] == "entropy"
    settings = about["settings"]
    assert settings["entropy (float32)"]["controller"]["max_entropy"] == 0.4
    assert "at batch size 1" in settings["hf-pipeline"]["fastest"]


def test_a_report_is_made_from_python_and_says_by_which_call(model_folder, tmp_path):
    asked = {"model": str(model_folder), "limit": 2, "batch_size": (1,), "dtype": ("float32",), "baselines": ("none",)}
    config = ReportConfig(**asked, strategies=("rule",), set=("rule.lambda=1",), out=str(tmp_path / "out"))
    assert from_values(ReportConfig, "a report", json.loads(json.dumps(to_values(config)))) == config
    about = json.loads((make_report(config) / "results.json").read_text())["about"]
    assert about["settings"]["rule"]["controller"]["lambda"] == 1
    assert eval(about["command"], {"ReportConfig": ReportConfig, "report": lambda config: config}) == config


def test_a_killed_report_starts_again_and_a_finished_one_is_not_overwritten(report, tmp_path, capsys):
    assert report()[0] == 0
    before = (tmp_path / "out" / "times.csv").read_bytes()
    assert report()[0] == 2
    assert f"{tmp_path / 'out'} already holds a report" in capsys.readouterr().err
    assert (tmp_path / "out" / "times.csv").read_bytes() == before
    (tmp_path / "out" / "results.json").unlink()  # written last, so a kill may have left the others
    assert report()[0] == 0
    assert (tmp_path / "out" / "times.csv").read_bytes() != before


def test_the_report_of_a_finished_run_is_made_from_its_files_alone_without_torch(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    (out / "report.md").unlink()
    code = (
        "import sys; from eval.report import main; status = main(sys.argv[1:]); "
        "sys.exit(status or bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    render = [sys.executable, "-c", code, "--out", str(out), "--render-only"]
    assert subprocess.run(render, check=False, stdout=subprocess.DEVNULL).returncode == 0
    for name in ("report.md", "results.json"):
        assert (out / name).read_text() == (finished / name).read_text()


@pytest.mark.parametrize(("name", "content", "reason"), [
    ("exits.csv", None, "exits.csv"), ("results.csv", "", "No columns"), ("results.json", "[]", ""),
])  # fmt: skip
def test_an_incomplete_run_is_not_rendered(finished, tmp_path, capsys, name, content, reason):
    out = shutil.copytree(finished, tmp_path / "out")
    (out / name).unlink()
    if content is not None:
        (out / name).write_text(content)
    assert main(["--out", str(out), "--render-only"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{out} holds no finished report: ")
    assert reason in said


def test_a_file_says_what_the_labels_of_a_checkpoint_mean(report, plain_folder, tmp_path, capsys):
    labels = tmp_path / "labels"
    for number, (text, status, said) in enumerate((
        ("B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n", 0, "The report is"), ("O", 2, "has 5 labels"),
    )):  # fmt: skip
        labels.write_text(text)
        assert report("--labels", str(labels), model=plain_folder, out=f"out{number}")[0] == status
        assert said in capsys.readouterr().err


def test_a_report_says_whether_other_processes_ran(report, finished, monkeypatch):
    monkeypatch.setattr("eval.measure.environment.busy_share", lambda: 0.9)
    _, out = report()
    sentence = "> Do not trust the times: other processes used 90% of the processors as this began."
    assert sentence in (out / "report.md").read_text(encoding="utf-8")
    assert "Do not trust" not in (finished / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REPORTS)
def test_published_reports_are_small_and_short_and_their_links_lead_somewhere(name):
    sizes = {path: path.stat().st_size for path in (DOCS / name).iterdir()}  # git keeps every version
    assert sum(sizes.values()) < 500_000
    text = (DOCS / name / "report.md").read_text()
    assert len(text.splitlines()) <= 250
    assert all((DOCS / name / target).is_file() for target in re.findall(r'href="([^"]+)"', as_html(text)))


def test_a_corpus_with_neither_gold_nor_predictions_has_a_report(report, tmp_path, monkeypatch):
    monkeypatch.setattr(LabelSet, "decode", lambda *_: ())
    (tmp_path / "gold.jsonl").write_text('{"text": "Nausea."}\n' * 2)
    _, out = report("--corpus", str(tmp_path / "gold.jsonl"), "--strategies", "entropy", "--types", "Disease")
    assert "## Groups" not in (out / "report.md").read_text()


def test_types_that_the_corpus_does_not_have_are_scored_if_they_are_named(report, tmp_path):
    gold = tmp_path / "gold.txt"
    gold.write_text("1|t|Nausea after aspirin.\n1|a|\n1\t0\t6\tNausea\tDisease\t-1\n")
    for types, scored in (((), ["Disease"]), (("--types", "Chemical,Disease"), ["Chemical", "Disease"])):
        _, out = report("--corpus", str(gold), *types, out=f"out{len(scored)}")
        assert pd.read_csv(out / "confusion.csv")["gold"].unique().tolist() == [*scored, "none"]


def test_a_broken_corpus_is_refused_and_skip_bad_evaluates_the_rest(report, tmp_path, caplog, capsys):
    broken = tmp_path / "broken.txt"
    broken.write_text(SAMPLE.read_text().replace("sample-01\t0\t19\t", "sample-01\t0\t9999\t", 1))
    assert report("--corpus", str(broken))[0] == 2
    expected = f"{broken}:3: document sample-01: 0–9999"
    assert capsys.readouterr().err.startswith(expected)
    _, out = report("--corpus", str(broken), "--skip-bad")
    assert expected in caplog.text
    assert pd.read_csv(out / "results.csv")["documents"].tolist() == [2]
    assert "Broken documents left out: 1." in (out / "report.md").read_text()


def test_a_folder_that_another_process_writes_to_is_refused(report, tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert report()[0] == 2
    assert "Another process writes to" in capsys.readouterr().err
