"""The command: what its rows, files and pages contain, and which input it refuses. `run` contains nearly everything."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from engine.data.formats import read_documents
from engine.errors import InputError
from engine.runs import locked
from eval.options import SAMPLE
from eval.records import read_records
from eval.report import main

COLUMNS = (
    "corpus split documents timed_documents strategy kind family replays prunes point batch_size f1 precision recall "
    "f1_chemical f1_disease f1_seqeval unscored_predictions latency_ms_median latency_ms_p95 encoder_ms_median "
    "tokens_per_s speedup_vs_dense speedup_vs_dense_same_dtype theoretical_speedup token_layers_kept token_reduction "
    "gmacs_per_document device dtype threads seed torch transformers commit"
)
DOCS = Path(__file__).resolve().parents[2] / "docs"
REPORTS = ["bc5cdr-test", "bc5cdr-test-base", "biored-dev", "ncbi-disease-test"]
KINDS = [  # strategy, kind, family, replays, prunes
    ("dense", "dense", "dense", "", False),
    ("hf", "hf", "hf", "", False),
    ("entropy", "entropy", "entropy", "", True),
    ("random", "random", "random@entropy", "entropy", False),
    ("truncate-1", "truncate", "truncate", "", False),
    ("entropy+recovery", "entropy", "entropy+recovery", "", True),
    ("hf-pipeline", "baseline", "hf-pipeline", "", False),
    ("same", "model", "same", "", False),
    ("pruned", "model", "pruned", "", False),
]


def row(table: pd.DataFrame, strategy: str, size: int = 1, dtype: str = "float32") -> pd.Series:
    key = (strategy, size, dtype)
    (found,) = (of for _, of in table.iterrows() if (of["strategy"], of["batch_size"], of["dtype"]) == key)
    return found


@pytest.fixture(scope="module")
def results(run):
    return pd.read_csv(run / "results.csv")


@pytest.fixture
def report(model_folder, tmp_path, one_pixel):
    """Runs the command on two documents with ``dense`` alone, unless told otherwise; returns status and folder."""

    def start(*options: str, model: Path = model_folder, out: str = "out") -> tuple[int, Path]:
        defaults = ["--model", str(model), "--limit", "2", "--batch-size", "1", "--strategies", "dense"]
        return main([*defaults, "--out", str(tmp_path / out), *options]), tmp_path / out

    return start


def test_there_is_a_row_for_each_batch_size_and_variant_and_it_says_what_the_variant_is(results):
    assert list(results.columns) == COLUMNS.split()
    facts = results[["strategy", "kind", "family", "replays", "prunes"]].fillna("")
    for size in (1, 4):
        for dtype in ("float32", "bfloat16"):
            rows = facts[(results["batch_size"] == size) & (results["dtype"] == dtype)]
            kinds = rows.itertuples(index=False, name=None)
            assert sorted(kinds) == sorted(one for one in KINDS if dtype == "float32" or one[0] != "hf-pipeline")


def test_dense_is_the_reference_and_what_runs_the_same_weights_finds_the_same(results):
    for size in (1, 4):
        dense = row(results, "dense", size)
        assert dense["speedup_vs_dense"] == dense["theoretical_speedup"] == dense["token_layers_kept"] == 1
        assert dense["token_reduction"] == 0
        for name in ("hf", "hf-pipeline", "same"):
            assert row(results, name, size)[["f1", "f1_seqeval"]].equals(dense[["f1", "f1_seqeval"]])
    assert pd.isna(row(results, "hf-pipeline")["gmacs_per_document"])


def test_pruning_costs_less_and_random_as_much_as_what_it_replays(results):
    kept = {name: row(results, name)["token_layers_kept"] for name in ("entropy", "random", "truncate-1")}
    assert kept["entropy"] < 1 < row(results, "entropy")["theoretical_speedup"]
    assert kept["random"] == pytest.approx(kept["entropy"], abs=0.1)
    assert kept["truncate-1"] == pytest.approx(1 / 3)


def test_variants_are_compared_with_dense_in_both_dtypes_and_strategies_with_all_that_they_must_beat(run):
    intervals = pd.read_csv(run / "intervals.csv")
    assert (intervals["low"] <= intervals["high"]).all()
    assert (intervals["f1_low"] <= intervals["f1"]).all()
    columns = ["strategy", "dtype", "against", "against_dtype"]
    found = set(intervals[columns].itertuples(index=False, name=None))
    assert {
        ("hf-pipeline", "float32", "dense", "float32"),
        ("entropy", "bfloat16", "dense", "float32"),
        ("entropy", "bfloat16", "dense", "bfloat16"),
        ("entropy", "bfloat16", "random", "bfloat16"),
        ("entropy", "bfloat16", "hf", "float32"),
        ("entropy", "float32", "hf-pipeline", "float32"),
        ("entropy", "float32", "truncate-1", "float32"),
        ("entropy", "float32", "same", "float32"),
        ("entropy+recovery", "float32", "entropy", "float32"),
    } <= found
    assert not found & {
        ("entropy", "bfloat16", "random", "float32"),
        ("entropy+recovery", "float32", "random", "float32"),
        ("truncate-1", "float32", "hf", "float32"),
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
    documents, found = read_records(run)
    assert len(documents) == 6
    assert {len(one.times) for (*_, size), one in found.items() if size == 4} == {2}


def test_the_report_says_what_it_is_opens_with_a_summary_and_has_all_parts(run):
    text = (run / "report.md").read_text()
    assert "not a benchmark" in text
    assert "python -m eval.report --model" in text
    assert "- timed: 5 of 6 documents, drawn with seed 3" in text
    assert "one engine per dtype and all baselines held at once: " in text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    expected = "Contents, F1 against speed-up, Results, Errors, Early exits, Groups, Cost, How this was measured"
    assert headings == expected.split(", ")
    *_, sentences, about, rows = text.partition("\n\n## Contents")[0].split("\n\n")
    assert sentences.startswith("- ")
    assert about.startswith("Everything is compared with `dense (float32)`, ")
    assert rows.splitlines()[2].startswith("| reference | dense (float32) |")
    assert 3 <= len(rows.splitlines()) - 2 <= 7
    assert "cases.html" in text
    assert (run / "cases.html").is_file()
    assert "<td>entropy+recovery (float32)</td>\n<td>entropy (float32)</td>" in (run / "report.html").read_text()


def test_the_report_shows_dtypes_apart(run):
    text = (run / "report.md").read_text()
    for name, *_ in KINDS:
        assert f"| {name} (float32)" in text or f"| {name} | " in text
    assert "| entropy (bfloat16), custom | " in text
    for section in ("Errors", "Early exits", "Groups"):
        part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert part.index("entropy (float32)") < part.index("entropy (bfloat16)")
    plots = ("exits", "groups", "speed", "exits-bfloat16", "groups-bfloat16", "speed-bfloat16", "f1_vs_latency")
    assert {f"{name}.png" for name in plots} <= {path.name for path in run.iterdir()}
    for name in ("errors", "exits", "subgroups", "gaps", "cost"):
        assert set(pd.read_csv(run / f"{name}.csv")["dtype"]) >= {"float32", "bfloat16"}


def test_settings_of_strategies_baselines_and_models_are_stated(run):
    settings = json.loads((run / "results.json").read_text())["about"]["settings"]
    assert settings["entropy"]["controller"]["max_entropy"] == 0.4
    assert "at batch size 1" in settings["hf-pipeline"]["fastest"]
    assert json.loads(settings["pruned (float32)"]["strategy"])["name"] == "entropy"


def test_predictions_are_written_for_every_variant(run):
    files = {path.name: list(read_documents(path)) for path in (run / "found").iterdir()}
    names = ("dense (float32)", "dense (bfloat16)", "hf-pipeline", "random (bfloat16)")
    assert {f"{name}.jsonl" for name in names} <= set(files)
    spans, others = (
        [[entity.key for entity in document.entities] for document in files[f"{name}.jsonl"]]
        for name in ("dense (float32)", "hf-pipeline")
    )
    assert spans == others
    assert len(spans) == 6
    assert any(spans)


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
def test_the_reference_is_dense_whatever_comes_first(run, tmp_path):
    out = shutil.copytree(run, tmp_path / "out")
    table = pd.read_csv(out / "results.csv")
    first = (table["strategy"] == "hf") & (table["dtype"] == "bfloat16")
    pd.concat([table[first], table[~first]]).to_csv(out / "results.csv", index=False)
    assert main(["--render-only", "--out", str(out)]) == 0
    assert "Everything is compared with `dense (float32)`, " in (out / "report.md").read_text()


@pytest.mark.usefixtures("one_pixel")
@pytest.mark.parametrize("name", REPORTS)
def test_published_reports_are_rendered_again_as_they_are(tmp_path, name):
    out = shutil.copytree(DOCS / name, tmp_path / "out")
    before = (out / "report.md").read_text()
    assert main(["--render-only", "--out", str(out)]) == 0
    assert (out / "report.md").read_text() == before


@pytest.mark.parametrize("name", REPORTS)
def test_published_reports_are_short_and_their_links_lead_somewhere(name):
    assert len((DOCS / name / "report.md").read_text().splitlines()) <= 250
    page = (DOCS / name / "report.html").read_text()
    for target in re.findall(r'href="([^"]+)"', page):
        assert f'id="{target[1:]}"' in page if target.startswith("#") else (DOCS / name / target).is_file()


@pytest.mark.usefixtures("without_effect")
def test_ablations_fail_the_run_if_a_setting_has_no_effect_and_say_which(report, model_folder, capsys):
    status, out = report("--ablations", "--plain-model", str(model_folder))
    assert status == 1
    assert "received of rule: expected an effect" in capsys.readouterr().err
    text = (out / "report.md").read_text()
    assert "## Ablations" in text
    assert "**Failed**: received of rule" in text
    assert "| received | rule | other weights | " in text
    assert (out / "ablations.png").is_file()
    assert report()[0] == 0, "the ablations in the folder are another run's"
    assert "## Ablations" not in (out / "report.md").read_text()
    assert "ablations" not in json.loads((out / "results.json").read_text())


def test_a_missing_training_split_is_noted_before_anything_is_timed(report, tmp_path, monkeypatch):
    def missing(corpus, data_dir):
        assert not (tmp_path / "out" / "run.jsonl").exists()
        raise InputError("expected train of it, got none; download it")

    monkeypatch.setattr("eval.measure.analyses.training_documents", missing)
    _, out = report()
    text = (out / "report.md").read_text()
    assert "> Groups by training mentions are left out: expected train of it, got none; download it\n" in text


def test_a_corpus_with_neither_gold_nor_predictions_has_a_report(engine, report, tmp_path):
    words = ("of", "the", "and", "after", "was", "in", "by", "with")
    (type_, quiet), *_ = (
        (type_, word)
        for type_ in engine.labels.types
        for word in words
        if all(entity.type != type_ for name in ("dense", "entropy") for entity in engine.tag(word, name).entities)
    )
    (tmp_path / "gold.jsonl").write_text(f'{{"text": "{quiet}"}}\n' * 2)
    _, out = report("--corpus", str(tmp_path / "gold.jsonl"), "--strategies", "entropy", "--types", type_)
    assert "## Groups\n\nNo mentions, no groups." in (out / "report.md").read_text()


def test_each_scored_type_has_a_column_and_predictions_of_other_types_are_counted_apart(report, tmp_path):
    text = "Nausea after aspirin and BRCA1 and famotidine."
    gold = tmp_path / "gold.txt"
    gold.write_text(f"1|t|{text}\n1|a|\n1\t0\t6\tNausea\tDisease\t-1\n1\t25\t30\tBRCA1\tGene\t-1\n")
    _, out = report("--corpus", str(gold))
    dense = row(pd.read_csv(out / "results.csv"), "dense")
    assert "f1_chemical" not in dense
    assert dense["f1_gene"] == 0
    page = (out / "report.md").read_text()
    assert "| strategy | F1 disease | F1 gene | F1 seqeval | unscored predictions |" in page
    scores = f"{dense['f1_disease']:.4f} | 0.0000 | {dense['f1_seqeval']:.4f} | {dense['unscored_predictions']}"
    assert f"| dense | {scores} |" in page
    _, out = report("--corpus", str(gold), "--types", "Chemical,Disease", out="both")
    assert pd.read_csv(out / "results.csv")["f1_chemical"].tolist() == [0.0]


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


ONE_NAME = "expected different names of strategies, baselines and other models"
CALIBRATED = pytest.mark.skipif(not (find_spec("openvino") and find_spec("nncf")), reason="requirements-eval.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--model /no/such", "expected a Hugging Face token-classification model"),
        ("--batch-size 0", "expected different numbers of 1 or more after --batch-size"),
        ("--batch-size 1,many", "expected different numbers of 1 or more after --batch-size, got '1,many'"),
        ("--batch-size 4,4", "expected different numbers of 1 or more after --batch-size"),
        ("--limit 0", "expected --limit 1 or more"),
        ("--seed -1", "expected --seed 0 or more"),
        ("--threads 0", "expected --threads 1 or more"),
        ("--threads 99999", "the number of processors, got 99999; lower it"),
        ("--timed 0", "expected --timed 1 or more"),
        ("--timed 3", "expected --timed up to 2, the number of documents in sample, got 3"),
        ("--dtype float32,float32", "expected different dtypes after --dtype"),
        ("--dtype float32,int9", "expected one of the dtypes"),
        ("--strategies magic", "magic"),
        ("--types Chemical,Chem", "expected types of the gold or the model, got ['Chem']"),
        ("--types Chemical,CHEMICAL", "expected types that differ in more than case"),
        ("--types Chemical,seqeval", "none of them called seqeval"),
        ("--set entropy.neighbours", "expected --set STRATEGY.SETTING=VALUE"),
        ("--set rule.lambda=1", "got one of 'rule'"),
        ("--set dense.gates=1", "got one of 'dense'"),
        ("--set entropy.speed=2", "settings"),
        ("--strategies entropy --point warp", "expected weights with operating points"),
        ("--corpus no-such", "expected one of the corpora"),
        ("--device abacus", "expected a device of this machine"),
        ("--others plain", "expected different names and folders after --others"),
        ("--others a=MODEL@", "expected different names and folders after --others"),
        ("--others a=MODEL@entropy:none", "expected weights with operating points"),
        ("--others truncate-1=MODEL --strategies truncate-1", ONE_NAME),
        ("--others random#2=MODEL --strategies random", ONE_NAME),
        ("--others hf-pipeline=MODEL --baselines hf-pipeline", ONE_NAME),
        ("--baselines hf-pipeline,hf-pipeline", ONE_NAME),
        ("--render-only", "expected a finished run in"),
        ("--plain-model MODEL", "expected --ablations beside --plain-model"),
        ("--model PLAIN --ablations", "expected a model with gates"),
        ("--corpus OTHER", "expected types that the model finds, ['Chemical', 'Disease'], got ['DISEASE']"),
        pytest.param("--baselines openvino-int8", "expected a corpus with a training split", marks=CALIBRATED),
    ],
)
def test_wrong_options_end_with_status_2_and_a_clear_line(
    report, model_folder, plain_folder, tmp_path, capsys, options, message
):
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "1", "text": "Nausea.", "entities": [{"start": 0, "end": 6, "type": "DISEASE"}]}\n')
    for name, path in (("MODEL", model_folder), ("PLAIN", plain_folder), ("OTHER", other)):
        options = options.replace(name, str(path))
    typed = options.split()
    strategies = ["--strategies", "dense,entropy"] if "--set entropy" in options else []
    status, out = report(*strategies, *typed)
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (out / "run.jsonl").exists()


@pytest.mark.parametrize(
    ("option", "now"), [("--rivals", "--baselines"), ("--lambda", "--set"), ("--min-keep-ratio", "--set")]
)
def test_options_of_earlier_versions_name_those_of_today(report, capsys, option, now):
    with pytest.raises(SystemExit, match="2"):
        report(option, "1")
    assert f"{option} does not exist any more; use {now}" in capsys.readouterr().err
