"""The tab Frontier: what it draws is what the CSV files hold, and it says what they do not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from demo.tabs.frontier import (
    PICTURES,
    REPORTS,
    calibrated_figure,
    measured_figure,
    measured_on,
    of_other_weights,
    pictures,
    reports,
    show,
)
from engine import Engine, Strategy, load_engine
from engine.pruning.controllers import RandomController
from engine.pruning.strategy import default_strategy

RESULTS = pd.DataFrame(
    {
        "corpus": "made-up",
        "split": "test",
        "documents": 7,
        "strategy": ["dense", "rule", "entropy"],
        "point": [np.nan, "balanced", "fast"],
        "batch_size": 1,
        "f1": [0.8, 0.7, 0.6],
        "latency_ms_median": [30.0, 20.0, 10.0],
        "speedup_vs_dense": [1.0, 1.5, 3.0],
        "device": "cpu",
        "threads": 2,
        "commit": "abc",
    }
)
DIGEST = "0123456789abcdef" * 4
SHIPPED = "bc5cdr-test"  # a report that the evaluator made
RULE = Strategy.from_json(default_strategy("rule", 6).to_json() | {"point": "balanced"})


def points(figure: Figure, *, ringed: bool) -> list[tuple[float, float]]:
    """Coordinates of the marks, or of the rings round them."""
    return [
        tuple(offset)
        for axis in figure.axes
        for marks in axis.collections
        if (len(marks.get_facecolor()) == 0) == ringed
        for offset in np.asarray(marks.get_offsets()).round(6).tolist()
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    RESULTS.to_csv(tmp_path / "one" / "results.csv", index=False)
    (tmp_path / "one" / "results.json").write_text(json.dumps({"about": {"weights": f"SHA-256 {DIGEST[:16]}…"}}))
    return tmp_path


@pytest.fixture
def engine_of() -> Any:
    def make(source: Path) -> Engine:
        return SimpleNamespace(source=str(source), digest=DIGEST)  # type: ignore[return-value]

    return make


def test_draws_every_row_and_rings_the_current_setting() -> None:
    figure = measured_figure(RESULTS, [RULE, default_strategy("dense", 6)])
    assert points(figure, ringed=False) == [(30, 0.8), (20, 0.7), (10, 0.6)]
    assert points(figure, ringed=True) == [(30, 0.8), (20, 0.7)]


def test_a_changed_setting_was_not_measured_and_has_no_ring() -> None:
    assert points(measured_figure(RESULTS, [RULE.with_knobs(lambda_=1.9)]), ringed=True) == []


@pytest.mark.parametrize("typed", ["random@rule", "random"])
@pytest.mark.parametrize(("lambda_", "ringed"), [(RULE.knobs()["lambda_"], [(5, 0.5)]), (1.9, [])])
def test_random_is_ringed_where_it_replays_what_the_report_replayed(
    typed: str, lambda_: float, ringed: list[tuple[float, float]]
) -> None:
    chance = RESULTS.iloc[[0]].assign(strategy=typed, f1=0.5, latency_ms_median=5.0)
    replays = RULE.with_knobs(lambda_=lambda_)
    random = Strategy("random", replays.gates, RandomController(replays))
    assert points(measured_figure(pd.concat([RESULTS, chance]), [random]), ringed=True) == ringed


def test_a_report_of_several_points_rings_the_current_one() -> None:
    names = ["dense", "rule:fast", "rule", "random@rule:fast", "random@rule"]
    table = pd.concat([RESULTS.iloc[[0]]] * 5, ignore_index=True)
    table = table.assign(
        strategy=names, point=["", "fast", "balanced", "", ""], latency_ms_median=[9.0, 1, 2, 3, 4], f1=0.5
    )
    for point, rule, random in (("fast", 1, 3), ("balanced", 2, 4)):
        current = replace(RULE, point=point)
        replaying = Strategy("random", current.gates, RandomController(current))
        assert points(measured_figure(table, [current, replaying]), ringed=True) == [(rule, 0.5), (random, 0.5)]


def test_random_is_not_ringed_at_a_point_whose_settings_the_report_had_changed() -> None:
    table = pd.concat([RESULTS.iloc[[0]]] * 2, ignore_index=True)
    table = table.assign(strategy=["rule:fast", "random@rule:fast"], point=["custom", ""])
    current = replace(RULE, point="fast")
    replaying = Strategy("random", current.gates, RandomController(current))
    assert points(measured_figure(table, [current, replaying]), ringed=True) == []


def test_a_report_of_other_weights_says_so_and_rings_nothing(folder: Path, engine_of: Any) -> None:
    assert of_other_weights(folder / "one", DIGEST) is None
    assert "made with other weights" in str(of_other_weights(folder / "one", "f" * 64))
    engine = engine_of(folder)
    engine.digest = "f" * 64
    page = show(engine, "one", [RULE], folder)
    assert "made with other weights" in page
    assert "current settings ringed" not in page
    (folder / "one" / "results.json").unlink()
    assert "does not say with which weights" in show(engine, "one", [RULE], folder)


def test_calibration_rings_equal_settings_whatever_their_names() -> None:
    records = [RULE.to_json(), RULE.with_knobs(lambda_=1.9).to_json()]
    table = pd.DataFrame(
        {
            "strategy": "rule",
            "settings": [json.dumps(record | {"point": ""}) for record in records],
            "f1_drop_points": [0.1, 0.2],
            "promised_speedup": [2.0, 3.0],
        }
    )
    figure = calibrated_figure(table, [RULE])
    assert points(figure, ringed=False) == [(0.1, 2), (0.2, 3)]
    assert points(figure, ringed=True) == [(0.1, 2)]


def test_captions_say_on_what_it_was_measured() -> None:
    expected = "Measured on: corpus made-up; split test; documents 7; device cpu; threads 2; commit abc."
    assert measured_on(RESULTS) == expected
    assert "does not say" in measured_on(RESULTS[["f1"]])


def test_says_what_is_absent(folder: Path, engine_of: Any) -> None:
    page = show(engine_of(folder), "one", [RULE.with_knobs(lambda_=1.9)], folder)
    assert "did not measure rule" in page
    assert "without frontier.csv" in page
    assert "Not in the report one: groups.png, exits.png, speed.png, ablations.png" in page
    assert "No report is at hand" in show(engine_of(folder), "../one", [], folder)


def test_all_plots_of_a_report_are_shown_and_say_on_what_they_were_measured() -> None:
    report = REPORTS / SHIPPED
    made = {path.name for path in report.glob("*.png")} - {"f1_vs_latency.png"}  # drawn from results.csv, with rings
    assert {"groups.png", "exits.png", "speed.png"} <= made <= set(PICTURES)
    page = pictures(report)
    assert page.count("<img") == page.count("Measured on: corpus bc5cdr; split test; documents 500") == len(made)


def test_the_report_is_one_of_the_shipped_weights() -> None:
    assert of_other_weights(REPORTS / SHIPPED, load_engine().digest) is None


def test_every_folder_with_results_is_a_report(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert reports(folder) == ["one"]


def test_names_from_files_are_text(folder: Path, engine_of: Any) -> None:
    RESULTS.assign(corpus="<img src=x> ${1}").to_csv(folder / "one" / "results.csv", index=False)
    page = show(engine_of(folder), "one", [], folder)
    assert "<img src=x>" not in page
    assert "${" not in page
