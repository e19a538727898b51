"""The tab Frontier: what it draws is what the CSV files hold, and it says what they do not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from demo.frontier import calibrated_figure, measured_figure, measured_on, pictures, reports, show
from engine import Engine, Strategy
from engine.strategies import default_strategy

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
    return tmp_path


@pytest.fixture
def engine_of() -> Any:
    def make(source: Path) -> Engine:
        return SimpleNamespace(source=str(source))  # type: ignore[return-value]

    return make


def test_draws_every_row_and_rings_the_current_setting() -> None:
    figure = measured_figure(RESULTS, [RULE, default_strategy("dense", 6)])
    assert points(figure, ringed=False) == [(30, 0.8), (20, 0.7), (10, 0.6)]
    assert points(figure, ringed=True) == [(30, 0.8), (20, 0.7)]


def test_a_changed_setting_was_not_measured_and_has_no_ring() -> None:
    assert points(measured_figure(RESULTS, [RULE.with_knobs(lambda_=1.9)]), ringed=True) == []


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
    assert "Not in the report one: ablations.png, errors.png, subgroups.png" in page
    assert "No report is at hand" in show(engine_of(folder), "../one", [], folder)


def test_pictures_of_the_report_are_shown_with_their_own_captions(folder: Path) -> None:
    (folder / "one" / "errors.png").write_bytes(b"png")
    RESULTS.assign(split="dev").to_csv(folder / "one" / "errors.csv", index=False)
    page = pictures(folder / "one")
    assert "data:image/png;base64,cG5n" in page
    assert "split dev" in page
    assert "Not in the report one: ablations.png, subgroups.png" in page


def test_every_folder_with_results_is_a_report(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert reports(folder) == ["one"]


def test_names_from_files_are_text(folder: Path, engine_of: Any) -> None:
    RESULTS.assign(corpus="<img src=x> ${1}").to_csv(folder / "one" / "results.csv", index=False)
    page = show(engine_of(folder), "one", [], folder)
    assert "<img src=x>" not in page
    assert "${" not in page
