"""Reports: which exist, what they say about themselves, which rows ran with given settings, what they recommend."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.reports import REPORTS, ReportFolder, find_reports, own_report, recommendation
from engine.pruning.strategy_names import resolve

DIGEST = "0123456789abcdef" * 4
SHIPPED = ReportFolder(REPORTS / "bc5cdr-test")  # on the shipped weights
RULE = replace(resolve("rule", 6, {}), point="balanced")
RESULTS = pd.DataFrame(
    {
        "corpus": "made-up",
        "split": "test",
        "documents": 7,
        "strategy": ["dense", "truncate-2", "rule", "rule:fast", "rule:exact", "random@rule:fast"],
        "family": ["dense", "truncate", "rule", "rule", "rule", "random@rule"],
        "prunes": [False, False, True, True, True, False],
        "point": ["", "", "balanced", "fast", "exact", ""],
        "device": "cpu",
        "threads": 2,
        "dtype": "float32",
        "commit": "abc",
    }
)


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


def engine_of(digest, dtype="float32"):
    return SimpleNamespace(digest=digest, dtype=dtype)


@pytest.mark.parametrize(
    ("strategy", "rows"),
    [
        (resolve("dense", 6, {}), ["dense"]),
        (resolve("truncate-2", 6, {}), ["truncate-2"]),
        (resolve("truncate-3", 6, {}), []),
        (RULE, ["rule"]),
        (replace(RULE, point="fast"), ["rule:fast"]),
        (RULE.with_settings(lambda_=1.9), []),
        (replace(RULE, point="careful"), ["rule:exact"]),
        (resolve("entropy", 6, {}), []),
    ],
)
def test_a_row_ran_as_a_strategy_if_all_settings_are_alike(report, strategy, rows):
    assert list(report.rows_of(strategy, "float32")["strategy"]) == rows
    assert report.rows_of(strategy, "int8").empty


def test_a_report_says_what_it_measured_on_what(report):
    expected = "corpus made-up; split test; documents 7; device cpu; threads 2; dtype float32; commit abc"
    assert report.conditions == f"Measured on: {expected}."
    assert say(report, model="m").title == "m, made-up test, float32 (one)"


def test_every_folder_with_results_is_a_report_and_the_first_on_the_weights_is_theirs(report):
    folder = report.folder.parent
    assert list(find_reports(folder)) == ["one"]
    assert "does not name its weights" in report.other_weights(DIGEST)
    report = say(report, weights=f"SHA-256 {DIGEST[:16]}…")
    assert report.other_weights(DIGEST) == ""
    assert "measured other weights" in report.other_weights("f" * 64)
    assert own_report(engine_of(DIGEST), folder) == report
    assert own_report(engine_of("f" * 64), folder) is None
    assert recommendation(engine_of("f" * 64), folder) is None


def test_the_average_is_that_of_the_report_in_the_dtype_of_the_page():
    strategy = replace(resolve("entropy", 6, {}), point="balanced")
    table = pd.read_csv(SHIPPED.folder / "results.csv").query("strategy == 'entropy' and dtype == 'int8'")
    ratio = table.sort_values("batch_size")["speedup_vs_dense_same_dtype"].iloc[0]
    said = SHIPPED.average_speedup(strategy, "int8")
    assert f"over BC5CDR, entropy:balanced (int8) was {ratio:.2f}× as fast as dense" in said
    assert SHIPPED.average_speedup(strategy, "bfloat16") == ""
    assert SHIPPED.average_speedup(resolve("dense", 6, {}), "int8") == ""


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl all")],
)
def test_the_corpus_is_named_as_readers_know_it(tmp_path, corpus, split, shown):
    RESULTS.assign(corpus=corpus, split=split).to_csv(tmp_path / "results.csv", index=False)
    assert ReportFolder(tmp_path).corpus == shown


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_it_recommends_a_strategy_in_the_dtype_of_the_page(shipped, dtype):
    found = recommendation(engine_of(shipped.digest, dtype))
    assert found.row["label"].endswith(f"({dtype})")
    assert found.row["prunes"]
    assert found.against_dense["against_label"] == "dense (float32)"
    assert resolve(found.name.without_point, 6, {}).prunes
    assert found.report == SHIPPED
