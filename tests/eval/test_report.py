import json
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from engine import load_engine
from engine.data.formats import read_documents
from engine.errors import InputError
from engine.model.onednn import int8_works
from engine.training.calibrate import store_points
from eval.records import read_records
from eval.report import SAMPLE, main

COLUMNS = (
    "corpus split documents timed_documents strategy kind family replays prunes point batch_size f1 precision recall "
    "f1_chemical f1_disease f1_seqeval unscored_predictions latency_ms_median latency_ms_p95 encoder_ms_median "
    "tokens_per_s speedup_vs_dense speedup_vs_dense_same_dtype theoretical_speedup token_layers_kept token_reduction "
    "gmacs_per_document device dtype threads seed torch transformers commit"
)
DOCS = Path(__file__).resolve().parents[2] / "docs"
STRATEGIES = "hf,entropy,rule,random,random@rule,truncate-1"
GATES = ("--set", "entropy.gates=1,2", "--set", "entropy.max_entropy=0.4", "--set", "entropy.exit_entities=true")


def run(*options: str) -> int:
    return main(list(options))


@pytest.fixture(scope="module")
def results(tmp_path_factory, model_folder):
    out = tmp_path_factory.mktemp("results")
    options = ("--model", str(model_folder), "--limit", "6", "--batch-size", "1,32", "--out", str(out))
    status = run(*options, "--strategies", STRATEGIES, *GATES)
    assert status == 0
    return out, pd.read_csv(out / "results.csv")


def row(table: pd.DataFrame, strategy: str, size: int = 1) -> pd.Series:
    (index,) = table.index[(table["strategy"] == strategy) & (table["batch_size"] == size)]
    return table.loc[index]


def test_there_is_one_row_for_each_strategy_as_typed_and_batch_size(results):
    _, table = results
    assert list(table.columns) == COLUMNS.split()
    expected = [(name, size) for size in (1, 32) for name in ("dense", *STRATEGIES.split(","))]
    assert list(zip(table["strategy"], table["batch_size"], strict=True)) == expected


def test_dense_is_the_reference_and_hf_finds_the_same(results):
    _, table = results
    for size in (1, 32):
        dense, hf = row(table, "dense", size), row(table, "hf", size)
        assert dense["speedup_vs_dense"] == dense["theoretical_speedup"] == dense["token_layers_kept"] == 1
        assert dense["token_reduction"] == 0
        assert (hf["f1"], hf["f1_seqeval"]) == (dense["f1"], dense["f1_seqeval"])


def test_pruning_costs_less_and_random_as_much_as_what_it_replays(results):
    _, table = results
    entropy, random = row(table, "entropy"), row(table, "random")
    assert entropy["token_layers_kept"] < 1 < entropy["theoretical_speedup"]
    assert random["token_layers_kept"] == pytest.approx(entropy["token_layers_kept"], abs=0.1)
    rule, replay = row(table, "rule"), row(table, "random@rule")
    assert replay["token_layers_kept"] == pytest.approx(rule["token_layers_kept"], abs=0.1)
    assert row(table, "truncate-1")["token_layers_kept"] == pytest.approx(1 / 3)


def test_batch_size_does_not_change_what_is_found(results):
    _, table = results
    for name in ("dense", "entropy", "rule", "random"):
        assert row(table, name, 1)["f1"] == row(table, name, 32)["f1"]


def test_every_row_says_what_its_strategy_is(results):
    _, table = results
    rows = table[table["batch_size"] == 1].fillna("")
    assert rows[["strategy", "kind", "family", "replays", "prunes"]].to_numpy().tolist() == [
        ["dense", "dense", "dense", "", False],
        ["hf", "hf", "hf", "", False],
        ["entropy", "entropy", "entropy", "", True],
        ["rule", "rule", "rule", "", True],
        ["random", "random", "random@entropy", "entropy", False],
        ["random@rule", "random", "random@rule", "rule", False],
        ["truncate-1", "truncate", "truncate", "", False],
    ]


def test_the_sample_is_measured_with_few_strategies_at_batch_size_1_unless_asked_otherwise(model_folder, tmp_path):
    assert run("--model", str(model_folder), "--limit", "1", "--out", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["strategy"].tolist() == ["dense", "hf", "entropy", "random"]
    assert set(table["batch_size"]) == {1}


def test_the_old_name_of_an_option_ends_with_status_2_and_names_the_new_one(capsys):
    with pytest.raises(SystemExit, match="2"):
        run("--rivals", "onnx")
    assert "--rivals is called --baselines now" in capsys.readouterr().err


def test_a_file_says_what_the_labels_of_a_checkpoint_mean(plain_folder, tmp_path):
    (tmp_path / "labels").write_text("B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n")
    options = ("--model", str(plain_folder), "--limit", "2", "--out", str(tmp_path / "out"))
    assert run(*options, "--labels", str(tmp_path / "labels")) == 0
    (tmp_path / "labels").write_text("I-Disease\nB-Disease\nO\nB-Chemical\nI-Chemical\n")
    assert run(*options, "--labels", str(tmp_path / "labels")) == 2, "a run goes on with the same labels alone"
    (tmp_path / "labels").write_text("O")
    assert run(*options, "--labels", str(tmp_path / "labels")) == 2


def test_other_models_run_densely_beside_the_strategies(model_folder, plain_folder, tmp_path):
    others = f"same={model_folder},plain={plain_folder}"
    options = ("--model", str(model_folder), "--limit", "2", "--batch-size", "1", "--strategies", "dense")
    assert run(*options, "--others", others, "--out", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    assert row(table, "same")["f1"] == row(table, "dense")["f1"]
    assert set(table["strategy"]) == {"dense", "same", "plain"}
    assert run(*options, "--others", "plain", "--out", str(tmp_path)) == 2


@pytest.mark.parametrize(("load", "told"), [(0.9, True), (0.1, False)])
def test_a_report_says_that_something_else_ran(model_folder, tmp_path, monkeypatch, load, told):
    monkeypatch.setattr("eval.measure.run.busy_share", lambda: load)
    options = ("--model", str(model_folder), "--limit", "1", "--strategies", "dense", "--out", str(tmp_path))
    assert run(*options) == 0
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert ("Other processes used 90% of the processors when this began: distrust the times." in page) == told


def test_a_corpus_of_other_types_than_the_models_is_refused(model_folder, tmp_path, capsys):
    (tmp_path / "other.jsonl").write_text(
        '{"id": "1", "text": "Nausea.", "entities": [{"start": 0, "end": 6, "type": "DISEASE"}]}\n'
    )
    options = ("--model", str(model_folder), "--corpus", str(tmp_path / "other.jsonl"))
    assert run(*options, "--out", str(tmp_path / "out")) == 2
    assert "expected types that the model finds, ['Chemical', 'Disease'], got ['DISEASE']" in capsys.readouterr().err


@pytest.mark.parametrize("types", ["Chemical,CHEMICAL", "Chemical,seqeval"])
def test_types_that_would_share_a_column_are_refused(model_folder, tmp_path, capsys, types):
    assert run("--model", str(model_folder), "--types", types, "--out", str(tmp_path / "out")) == 2
    assert "expected types that differ in more than case, none of them called seqeval" in capsys.readouterr().err


def test_a_run_is_not_continued_on_another_machine(model_folder, tmp_path, monkeypatch, capsys):
    options = ("--model", str(model_folder), "--limit", "1", "--strategies", "dense", "--out", str(tmp_path))
    assert run(*options) == 0
    monkeypatch.setattr("eval.measure.environment.machine", lambda: "another")
    assert run(*options) == 2
    assert "machine" in capsys.readouterr().err


def test_without_a_point_of_its_own_another_model_runs_at_the_point_of_the_run(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    engine = load_engine(folder)
    strict, loose = (engine.strategy("entropy", max_entropy=(of,)).to_json() for of in (0.01, 0.9))
    store_points(folder, {"entropy": {"balanced": strict, "fast": loose}})
    options = ("--model", str(folder), "--limit", "1", "--strategies", "entropy", "--point", "fast")
    assert run(*options, "--others", f"other={folder}@entropy", "--out", str(tmp_path / "out")) == 0
    settings = json.loads((tmp_path / "out" / "results.json").read_text())["about"]["settings"]
    assert json.loads(settings["other"]["strategy"])["controller"]["max_entropy"] == [0.9]


def test_the_reference_is_dense_whatever_ran_first(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "1", "--dtype", "bfloat16,float32", "--strategies", "hf,dense")
    assert run(*options, "--out", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    first = (table["strategy"] == "hf") & (table["dtype"] == "float32")
    pd.concat([table[first], table[~first]]).to_csv(tmp_path / "results.csv", index=False)
    assert run("--render-only", "--out", str(tmp_path)) == 0
    assert "compared with `dense (bfloat16)`" in (tmp_path / "report.md").read_text()


def test_other_models_may_prune_and_stand_in_the_same_figure(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "2", "--batch-size", "1", "--strategies", "dense,truncate-1")
    others = f"other={model_folder}@truncate-1,pruned={model_folder}@entropy"
    assert run(*options, "--others", others, "--out", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    _, found = read_records(tmp_path)
    other, own, dense = (found[name, "float32", 1].runs for name in ("other", "truncate-1", "dense"))
    assert other == own != dense
    assert set(table.loc[table["strategy"].isin(["other", "pruned"]), "kind"]) == {"model"}
    facts = json.loads((tmp_path / "results.json").read_text())["about"]["settings"]
    assert json.loads(facts["pruned"]["strategy"])["name"] == "entropy"
    assert run(*options, "--others", f"other={model_folder}@", "--out", str(tmp_path)) == 2
    assert run(*options, "--others", f"other={model_folder}@entropy:none", "--out", str(tmp_path)) == 2


def test_no_two_things_that_are_measured_may_share_a_name(model_folder, tmp_path, capsys):
    options = ("--model", str(model_folder), "--limit", "1", "--out", str(tmp_path))
    for clash, name in (
        (("--strategies", "truncate-1", "--others", f"truncate-1={model_folder}"), "truncate-1"),
        (("--strategies", "random", "--others", f"random#2={model_folder}"), "random#2"),
        (
            ("--strategies", "hf", "--baselines", "hf-pipeline", "--others", f"hf-pipeline={model_folder}"),
            "hf-pipeline",
        ),
        (("--baselines", "hf-pipeline,hf-pipeline"), "hf-pipeline"),
    ):
        assert run(*options, *clash) == 2
        assert f"expected different names of strategies, baselines and other models, got '{name}' twice" in (
            capsys.readouterr().err
        )
    assert not (tmp_path / "run.jsonl").exists()


def test_every_scored_type_has_a_column_and_stands_in_the_report(model_folder, tmp_path):
    gold = tmp_path / "gold.txt"
    gold.write_text("1|t|Nausea after BRCA1.\n1|a|\n1\t0\t6\tNausea\tDisease\t-1\n1\t13\t18\tBRCA1\tGene\t-1\n")
    options = ("--corpus", str(gold), "--model", str(model_folder), "--batch-size", "1", "--strategies", "dense")
    assert run(*options, "--out", str(tmp_path / "out")) == 0
    assert row(pd.read_csv(tmp_path / "out" / "results.csv"), "dense")["f1_gene"] == 0
    heading = "| strategy | F1 disease | F1 gene | F1 seqeval | unscored predictions |"
    assert heading in (tmp_path / "out" / "report.md").read_text()


def test_recovery_is_set_against_none(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "5", "--batch-size", "1")
    assert run(*options, "--strategies", "entropy,rule,entropy+recovery", "--out", str(tmp_path)) == 0
    intervals = pd.read_csv(tmp_path / "intervals.csv")
    duels = intervals[intervals["against"] != "dense"]
    assert duels[["strategy", "against"]].to_numpy().tolist() == [["entropy+recovery", "entropy"]]
    assert "<td>entropy+recovery<td>entropy<td>" in (tmp_path / "report.html").read_text()


def test_operating_points_of_one_strategy_stand_side_by_side(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "5", "--batch-size", "1")
    options += ("--set", "entropy:default.max_entropy=0.4", "--set", "entropy:default.gates=1,2")
    names = "entropy,entropy:default,entropy+recovery:default,random@entropy:default"
    assert run(*options, "--strategies", names, "--out", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    assert [row(table, name)["point"] for name in names.split(",")[:3]] == ["default", "custom", "default"]
    assert row(table, "entropy:default")["token_layers_kept"] < row(table, "entropy")["token_layers_kept"]
    intervals = pd.read_csv(tmp_path / "intervals.csv")
    duels = intervals[intervals["against"] != "dense"][["strategy", "against"]]
    assert sorted(duels.itertuples(index=False, name=None)) == [
        ("entropy+recovery:default", "entropy:default"),
        ("entropy:default", "random@entropy:default"),
    ]
    text = (tmp_path / "report.md").read_text()
    for shown in ("entropy, default", "entropy:default, custom", "entropy+recovery:default"):
        assert f"| {shown} | " in text


def test_settings_reach_the_strategies_that_run(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "2", "--batch-size", "1")
    kept = []
    for ratio in ("0", "0.9"):
        settings = ("--strategies", "rule", "--lambda", "2", "--min-keep-ratio", ratio)
        assert run(*options, *settings, "--out", str(tmp_path / ratio)) == 0
        kept.append(row(pd.read_csv(tmp_path / ratio / "results.csv"), "rule"))
    assert kept[0]["token_layers_kept"] < kept[1]["token_layers_kept"]
    assert [one["point"] for one in kept] == ["custom", "custom"]


def test_words_and_lists_are_settings_and_recovery_costs_what_it_computes(model_folder, tmp_path):
    settings = {"max_entropy": "0.4,0.5", "exit_entities": "true", "gates": "1,2", "context": "freeze"}
    options = ["--batch-size=4"]
    options += [f"--set={name}.{k}={v}" for name in ("entropy", "entropy+recovery") for k, v in settings.items()]
    options += ["--set=entropy+recovery.trigger=confidence", "--set=entropy+recovery.min_confidence=1"]
    strategies = "entropy,entropy+recovery"
    assert (
        run("--model", str(model_folder), "--limit", "4", "--strategies", strategies, *options, "--out", str(tmp_path))
        == 0
    )
    table = pd.read_csv(tmp_path / "results.csv")
    plain, recovering = (row(table, name, 4) for name in strategies.split(","))
    assert plain["token_layers_kept"] < recovering["token_layers_kept"]
    text = unescape((tmp_path / "report.html").read_text())
    assert '"context": "freeze", "min_exit_ratio": 0.1, "controller": {"kind": "entropy", ' in text
    assert '"recovery": {"trigger": "confidence", "min_confidence": 1, ' in text


def test_the_report_says_what_it_is_and_shows_every_row(results):
    out, table = results
    text = (out / "report.md").read_text()
    assert "not a benchmark" in text
    assert "python -m eval.report --model" in text
    for name in table["strategy"]:
        assert f"| {name} " in text
    assert (out / "f1_vs_latency.png").read_bytes().startswith(b"\x89PNG")
    intervals = pd.read_csv(out / "intervals.csv")
    assert (intervals["low"] <= intervals["high"]).all()
    assert (intervals["f1_low"] <= intervals["f1"]).all()
    assert {("entropy", "random"), ("rule", "random@rule")} <= set(
        zip(intervals["strategy"], intervals["against"], strict=True)
    )


def test_the_report_has_all_parts_and_opens_with_a_summary(results):
    out, _ = results
    text = (out / "report.md").read_text()
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    expected = "Contents, F1 against speed-up, Results, Errors, Early exits, Groups, Cost, How this was measured"
    assert headings == expected.split(", ")
    *_, sentences, rows = text.partition("\n\n## Contents")[0].split("\n\n")
    assert sentences.startswith("- ")
    assert rows.splitlines()[2].startswith("| reference | dense |")
    assert 3 <= len(rows.splitlines()) - 2 <= 6
    assert "cases.html" in text
    assert (out / "cases.html").is_file()


def test_baselines_run_in_the_same_loop_and_predictions_are_written(model_folder, tmp_path, monkeypatch):
    options = ("--model", str(model_folder), "--limit", "5", "--batch-size", "1", "--strategies", "entropy", *GATES)
    more = ("--baselines", "hf-pipeline", "--predictions", str(tmp_path / "found"), "--format", "jsonl")
    assert run(*options, *more, "--out", str(tmp_path / "out")) == 0
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    baseline, dense = row(table, "hf-pipeline"), row(table, "dense")
    assert baseline["f1"] == dense["f1"], "the same weights, words and decoding"
    assert pd.isna(baseline["gmacs_per_document"])
    intervals = pd.read_csv(tmp_path / "out" / "intervals.csv")
    assert {("hf-pipeline", "dense"), ("entropy", "hf-pipeline")} <= set(
        zip(intervals["strategy"], intervals["against"], strict=True)
    )

    def settings():
        return json.loads((tmp_path / "out" / "results.json").read_text())["about"]["settings"]

    stated = settings()
    assert "at batch size 1 (of 3 tried)" in stated["hf-pipeline"]["fastest"]
    monkeypatch.setattr("eval.measure.tuning.fastest", None)
    assert run(*options, *more, "--out", str(tmp_path / "out")) == 0, "and kept by a run that goes on"
    assert settings() == stated
    found = {path.stem: list(read_documents(path)) for path in (tmp_path / "found").iterdir()}
    assert sorted(found) == ["dense", "entropy", "hf-pipeline"]
    assert len(found["dense"]) == 5
    spans = [[entity.key for entity in document.entities] for document in found["dense"]]
    assert spans == [[entity.key for entity in document.entities] for document in found["hf-pipeline"]]
    assert any(spans)


@pytest.fixture(scope="module")
def in_two_dtypes(tmp_path_factory, model_folder):
    out = tmp_path_factory.mktemp("dtypes")
    options = ("--model", str(model_folder), "--limit", "6", "--batch-size", "1,4", "--dtype", "float32,bfloat16")
    more = ("--strategies", "hf,entropy,random", *GATES, "--timed", "5", "--seed", "3")
    assert run(*options, *more, "--predictions", str(out / "found"), "--out", str(out)) == 0
    return out, pd.read_csv(out / "results.csv")


def test_each_variant_has_a_row_in_each_dtype_compared_with_dense_in_the_first_and_in_its_own(in_two_dtypes):
    out, table = in_two_dtypes
    names = ("dense", "hf", "entropy", "random")
    expected = [(name, size, dtype) for size in (1, 4) for dtype in ("float32", "bfloat16") for name in names]
    rows = table[["strategy", "batch_size", "dtype"]].itertuples(index=False, name=None)
    assert list(rows) == expected
    by_key = table.set_index(["strategy", "batch_size", "dtype"])
    times = pd.read_csv(out / "times.csv").groupby(["strategy", "batch_size", "dtype"])["latency_ms"].sum()
    for name, size, dtype in expected:
        row, own = by_key.loc[name, size, dtype], times[name, size, dtype]
        assert row["speedup_vs_dense"] == pytest.approx(times["dense", size, "float32"] / own)
        assert row["speedup_vs_dense_same_dtype"] == pytest.approx(times["dense", size, dtype] / own)
    intervals = pd.read_csv(out / "intervals.csv")
    pairs = set(intervals[["strategy", "dtype", "against", "against_dtype"]].itertuples(index=False, name=None))
    assert {
        ("entropy", "bfloat16", "dense", "float32"),
        ("entropy", "bfloat16", "dense", "bfloat16"),
        ("entropy", "bfloat16", "random", "bfloat16"),
        ("entropy", "bfloat16", "hf", "float32"),
    } <= pairs
    assert ("entropy", "bfloat16", "random", "float32") not in pairs


def test_the_report_shows_dtypes_apart(in_two_dtypes):
    out, _ = in_two_dtypes
    text = (out / "report.md").read_text()
    assert "| entropy (bfloat16), custom | " in text
    assert "<td>entropy (bfloat16)<td>random (bfloat16)<td>" in (out / "report.html").read_text()
    for section in ("Errors", "Early exits", "Groups"):
        part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert part.index("entropy (float32)") < part.index("entropy (bfloat16)")
    for name in ("exits", "groups", "speed"):
        assert (out / f"{name}.png").is_file()
        assert (out / f"{name}-bfloat16.png").is_file()
    assert "one engine per dtype and all baselines held at once: " in text
    assert {path.stem for path in (out / "found").iterdir()} >= {"dense (float32)", "dense (bfloat16)"}
    for name in ("errors", "exits", "subgroups", "gaps", "cost"):
        assert set(pd.read_csv(out / f"{name}.csv")["dtype"]) == {"float32", "bfloat16"}


def test_times_of_some_documents_and_f1_of_all(in_two_dtypes):
    out, table = in_two_dtypes
    assert set(table["documents"]) == {6}
    assert set(table["timed_documents"]) == {5}
    assert "- timed: 5 of 6 documents, drawn with seed 3" in (out / "report.md").read_text()
    times = pd.read_csv(out / "times.csv").groupby(["strategy", "dtype", "batch_size"]).size()
    assert (times.xs(1, level="batch_size") == 5).all()
    assert (times.xs(4, level="batch_size") == 2).all()
    documents, found = read_records(out)
    assert len(documents) == 6
    assert {len(one.times) for (*_, size), one in found.items() if size == 4} == {2}


@pytest.mark.skipif(not int8_works(), reason="needs a processor that multiplies in 8 bits")
def test_hf_is_not_quantised_and_its_row_says_so(model_folder, tmp_path):
    options = ("--model", str(model_folder), "--limit", "2", "--batch-size", "1", "--strategies", "dense,hf")
    for dtypes, expected in (
        ("int8", [("dense", "int8"), ("hf", "float32")]),
        ("float32,int8", [("dense", "float32"), ("hf", "float32"), ("dense", "int8")]),
    ):
        assert run(*options, "--dtype", dtypes, "--out", str(tmp_path / dtypes)) == 0
        table = pd.read_csv(tmp_path / dtypes / "results.csv")
        assert list(table[["strategy", "dtype"]].itertuples(index=False, name=None)) == expected


def test_only_rows_that_are_there_are_explained(results):
    explained = (results[0] / "report.md").read_text()
    for text in ("The F1 of `random` is the mean of 5 seeds", "Costs of `hf` include its padding."):
        assert text in explained
    assert "are not known" not in explained
    published = (DOCS / "bc5cdr-test" / "report.md").read_text()
    assert "Costs of baselines are not known." in published
    for absent in ("`random`", "`hf`", "other models"):
        assert absent not in published


@pytest.mark.parametrize("report", ["bc5cdr-test", "bc5cdr-test-base", "biored-dev", "ncbi-disease-test"])
def test_published_reports_are_rendered_again_as_they_are(tmp_path, monkeypatch, report):
    monkeypatch.setattr("eval.render.plots.save_png", lambda *_: None)  # only the page is compared
    out = shutil.copytree(DOCS / report, tmp_path / "out")
    before = (out / "report.md").read_text()
    assert run("--render-only", "--out", str(out)) == 0
    assert (out / "report.md").read_text() == before


@pytest.mark.parametrize("report", ["bc5cdr-test", "bc5cdr-test-base", "biored-dev", "ncbi-disease-test"])
def test_published_reports_are_short_and_their_links_lead_somewhere(report):
    assert len((DOCS / report / "report.md").read_text().splitlines()) <= 250
    assert sum(path.stat().st_size for path in (DOCS / report).iterdir()) <= 1_000_000
    page = (DOCS / report / "report.html").read_text()
    for target in re.findall(r'href="([^"]+)"', page):
        assert f'id="{target[1:]}"' in page if target.startswith("#") else (DOCS / report / target).is_file()


def test_ablations_fail_the_run_if_a_setting_has_no_effect_and_say_which(model_folder, tmp_path, capsys):
    options = ("--model", str(model_folder), "--limit", "1", "--batch-size", "1", "--strategies", "dense")
    assert run(*options, "--ablations", "--out", str(tmp_path)) == 1, "one document is too little for every setting"
    error = capsys.readouterr().err
    text = (tmp_path / "report.md").read_text()
    assert "expected an effect" in error
    assert "## Ablations" in text
    assert "**Failed**: " in text
    assert (tmp_path / "ablations.png").is_file()
    assert run(*options, "--out", str(tmp_path)) == 0, "those that lie in the folder are another run's"
    assert "## Ablations" not in (tmp_path / "report.md").read_text()
    assert "ablations" not in json.loads((tmp_path / "results.json").read_text())
    assert run("--render-only", "--out", str(tmp_path)) == 0


def test_ablations_show_weights_that_were_not_trained_for_pruning(model_folder, tmp_path, capsys):
    options = ("--model", str(model_folder), "--limit", "1", "--batch-size", "1", "--strategies", "dense")
    more = ("--plain-model", str(model_folder), "--out", str(tmp_path))
    assert run(*options, *more) == 2
    assert "expected --ablations beside --plain-model" in capsys.readouterr().err
    run(*options, *more, "--ablations")
    assert "| weights | entropy | not trained for pruning | " in (tmp_path / "report.md").read_text()


def test_ablations_of_weights_without_gates_are_refused_before_anything_is_timed(
    model_folder, plain_folder, tmp_path, capsys
):
    for models in ((str(plain_folder),), (str(model_folder), "--plain-model", str(plain_folder))):
        assert run("--model", *models, "--ablations", "--limit", "1", "--out", str(tmp_path)) == 2
        assert "expected a model with gates" in capsys.readouterr().err
    assert not (tmp_path / "run.jsonl").exists()


def test_a_training_split_that_is_not_to_be_had_is_noted_before_anything_is_timed(model_folder, tmp_path, monkeypatch):
    def missing(corpus, data_dir):
        assert not (tmp_path / "run.jsonl").exists()
        raise InputError("expected train of it, got none; download it")

    monkeypatch.setattr("eval.measure.analyses.training_documents", missing)
    options = ("--model", str(model_folder), "--limit", "1", "--batch-size", "1", "--strategies", "dense")
    assert run(*options, "--out", str(tmp_path)) == 0
    text = (tmp_path / "report.md").read_text()
    assert "> Groups by training mentions are left out: expected train of it, got none; download it\n" in text


def test_a_corpus_with_neither_gold_nor_predictions_has_a_report(engine, model_folder, tmp_path):
    words = ("of", "the", "and", "after", "was", "in", "by", "with")
    (type_, quiet), *_ = (
        (type_, word)
        for type_ in engine.labels.types
        for word in words
        if all(entity.type != type_ for name in ("dense", "entropy") for entity in engine.tag(word, name).entities)
    )
    gold = tmp_path / "gold.jsonl"
    gold.write_text(f'{{"text": "{quiet}"}}\n' * 2)
    options = ("--corpus", str(gold), "--model", str(model_folder), "--batch-size", "1", "--strategies", "entropy")
    assert run(*options, "--types", type_, "--out", str(tmp_path / "out")) == 0
    assert "## Groups\n\nNo mentions, no groups." in (tmp_path / "out" / "report.md").read_text()


def test_types_that_the_gold_lacks_are_counted_apart(model_folder, tmp_path):
    gold = tmp_path / "gold.txt"
    gold.write_text("1|t|Nausea after aspirin and famotidine and pain.\n1|a|\n1\t0\t6\tNausea\tDisease\t-1\n")
    options = ("--corpus", str(gold), "--model", str(model_folder), "--batch-size", "1", "--strategies", "dense")
    assert run(*options, "--out", str(tmp_path / "gold")) == 0
    dense = row(pd.read_csv(tmp_path / "gold" / "results.csv"), "dense")
    assert "f1_chemical" not in dense
    assert f"| dense | {dense['f1_disease']:.4f} | {dense['f1_seqeval']:.4f} | {dense['unscored_predictions']} |" in (
        (tmp_path / "gold" / "report.md").read_text()
    )
    assert run(*options, "--types", "Chemical,Disease", "--out", str(tmp_path / "both")) == 0
    assert pd.read_csv(tmp_path / "both" / "results.csv")["f1_chemical"].tolist() == [0.0]


def test_a_broken_corpus_ends_with_status_2_and_skip_bad_evaluates_the_rest(model_folder, tmp_path, caplog, capsys):
    broken = tmp_path / "broken.txt"
    broken.write_text(SAMPLE.read_text().replace("sample-01\t0\t19\t", "sample-01\t0\t9999\t", 1))
    options = ["--corpus", str(broken), "--model", str(model_folder), "--limit", "4", "--strategies", "dense"]
    options.append("--batch-size=4")
    assert run(*options, "--out", str(tmp_path / "out")) == 2
    expected = f"{broken}:3: document sample-01: expected a span inside the text"
    assert capsys.readouterr().err.startswith(expected)
    assert run(*options, "--skip-bad", "--out", str(tmp_path / "out")) == 0
    assert expected in caplog.text
    assert pd.read_csv(tmp_path / "out" / "results.csv")["documents"].tolist() == [4]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Broken documents left out: 1." in text
    assert "| dense |" in text, "no point where no variant has one"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch-size", "0"), "expected different numbers of 1 or more after --batch-size"),
        (("--batch-size", "many"), "expected whole numbers after --batch-size"),
        (("--limit", "0"), "expected --limit 1 or more"),
        (("--seed", "-1"), "expected --seed 0 or more"),
        (("--threads", "0"), "expected --threads 1 or more"),
        (("--timed", "0"), "expected --timed 1 or more"),
        (("--threads", "99999"), "the processors here, got 99999; lower it"),
        (("--timed", "3"), "expected --timed up to 2, the documents of sample, got 3"),
        (("--dtype", "float32,float32"), "expected different dtypes after --dtype"),
        (("--dtype", "float32,int9"), "expected one of the dtypes"),
        pytest.param(
            ("--baselines", "openvino-int8"),
            "expected a corpus with a training split to calibrate on, got sample",
            marks=pytest.mark.skipif(not (find_spec("openvino") and find_spec("nncf")), reason="requirements-eval.txt"),
        ),
        (("--strategies", "magic"), "magic"),
        (("--strategies", "dense", "--lambda", "1"), "got some of 'rule'"),
        (("--strategies", "dense", "--min-keep-ratio", "0.5"), "got some of 'rule'"),
        (("--types", "Chemical,Chem"), "expected types of the gold or the model, got ['Chem']"),
        (("--set", "entropy.max_entropy=null"), "expected a number, true, false"),
        (("--set", "entropy.neighbours"), "expected --set STRATEGY.SETTING=VALUE"),
        (("--set", "dense.gates=1"), "got some of 'dense'"),
        (("--set", "entropy.neighbours=two"), "expected neighbours as a whole number"),
        (("--set", "entropy.gates=two"), "expected a number, true, false"),
        (("--set", "entropy.context=cloud"), "drop or freeze"),
        (("--set", "entropy.speed=2"), "settings"),
        (("--point", "warp"), "expected weights with operating points"),
        (("--corpus", "no-such"), "expected one of the corpora"),
        (("--device", "abacus"), "expected a device of this machine"),
    ],
)
def test_wrong_options_end_with_status_2_and_a_clear_line(model_folder, tmp_path, capsys, options, message):
    assert run("--model", str(model_folder), "--out", str(tmp_path), "--limit", "2", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_wrong_weights_end_with_status_2_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "eval.report", "--model", str(tmp_path / "none"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a Hugging Face token-classification model" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sample_corpus_is_complete():
    from engine.data.corpora import load_corpus

    corpus = load_corpus(str(SAMPLE))
    assert len(corpus.documents) >= 24
    assert corpus.types == ("Chemical", "Disease")
    assert sum(len(document.entities) for document in corpus.documents) > 400
