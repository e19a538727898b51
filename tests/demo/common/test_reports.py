"""Reports: which exist, what they say about themselves, and which rows ran with the current settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo.common.reports import REPORTS, average_speedup, measured_as, measured_on, other_weights, report_names
from engine import Strategy
from engine.pruning.strategy_names import resolve

DIGEST = "0123456789abcdef" * 4
SHIPPED = "bc5cdr-test"  # a report on the shipped weights
DENSE = resolve("dense", 6, {})
RULE = replace(resolve("rule", 6, {}), point="balanced")
RESULTS = pd.DataFrame(
    {
        "corpus": "made-up",
        "split": "test",
        "documents": 7,
        "strategy": ["dense", "truncate-2", "rule", "rule:fast", "rule:exact", "random@rule:fast"],
        "family": ["dense", "truncate", "rule", "rule", "rule", "random@rule"],
        "prunes": [False, False, True, True, True, False],
        "point": [np.nan, np.nan, "balanced", "fast", "exact", np.nan],
        "replays": [np.nan, np.nan, np.nan, np.nan, np.nan, "rule:fast"],
        "device": "cpu",
        "threads": 2,
        "commit": "abc",
    }
)


@pytest.mark.parametrize(
    ("strategy", "rows"),
    [
        (DENSE, ["dense"]),
        (resolve("truncate-2", 6, {}), ["truncate-2"]),
        (resolve("truncate-3", 6, {}), []),
        (RULE, ["rule"]),
        (replace(RULE, point="fast"), ["rule:fast"]),
        (RULE.with_settings(lambda_=1.9), []),
        (replace(RULE, point="careful"), ["rule:exact"]),
        (resolve("entropy", 6, {}), []),
    ],
)
def test_a_row_ran_as_a_strategy_if_all_settings_are_alike(strategy: Strategy, rows: list[str]) -> None:
    assert measured_as(RESULTS, strategy) == rows


def test_captions_say_what_was_measured_on_what() -> None:
    expected = "Measured on: corpus made-up; split test; documents 7; device cpu; threads 2; commit abc."
    assert measured_on(RESULTS) == expected
    assert "does not say" in measured_on(RESULTS[["prunes"]])


def test_every_folder_with_results_is_a_report(tmp_path: Path) -> None:
    for name in ("one", "empty"):
        (tmp_path / name).mkdir()
    RESULTS.to_csv(tmp_path / "one" / "results.csv", index=False)
    assert report_names(tmp_path) == ["one"]


def test_a_report_of_other_weights_is_told_from_one_of_these(tmp_path: Path) -> None:
    assert "does not name its weights" in str(other_weights(tmp_path, DIGEST))
    (tmp_path / "results.json").write_text(json.dumps({"about": {"weights": f"SHA-256 {DIGEST[:16]}…"}}))
    assert other_weights(tmp_path, DIGEST) is None
    assert "measured other weights" in str(other_weights(tmp_path, "f" * 64))


def test_the_average_is_that_of_the_report_in_the_dtype_of_the_page() -> None:
    engine: Any = SimpleNamespace(dtype="int8")
    strategy = replace(resolve("entropy", 6, {}), point="balanced")
    table = pd.read_csv(REPORTS / SHIPPED / "results.csv").query("strategy == 'entropy' and dtype == 'int8'")
    ratio = table.sort_values("batch_size")["speedup_vs_dense_same_dtype"].iloc[0]
    assert f"entropy was {ratio:.2f}× as fast as dense" in average_speedup(REPORTS / SHIPPED, engine, strategy)
    other: Any = SimpleNamespace(dtype="bfloat16")
    assert average_speedup(REPORTS / SHIPPED, other, strategy) == ""
    assert average_speedup(None, engine, strategy) == ""
