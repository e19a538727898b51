"""The tab Frontier: the plots of a report with the current settings, and what it says where something is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from demo.results.reports import REPORTS
from demo.tabs import frontier
from demo.tabs.frontier import PICTURES, pictures, plot_calibration, show
from engine import Engine, Strategy, load_engine
from engine.pruning.resolve import resolve

DIGEST = "0123456789abcdef" * 4
SHIPPED = "bc5cdr-test"  # a report of the shipped weights
RULE = resolve("rule", 6, {})


def places(figure: Figure) -> list[tuple[float, float]]:
    """Coordinates of all marks."""
    return [tuple(place) for axis in figure.axes for line in axis.lines for place in np.transpose(line.get_data())]


def rings(figure: Figure) -> list[tuple[float, float]]:
    """Coordinates of all rings."""
    marks = [one for axis in figure.axes for one in axis.collections if isinstance(one, PathCollection)]
    return [tuple(place) for one in marks for place in np.asarray(one.get_offsets()).tolist()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one report, of weights with ``DIGEST``."""
    report = tmp_path / "one"
    report.mkdir()
    for name in ("results", "intervals", "times"):
        shutil.copy(REPORTS / SHIPPED / f"{name}.csv", report)
    (report / "results.json").write_text(json.dumps({"about": {"weights": f"SHA-256 {DIGEST[:16]}…"}}))
    return tmp_path


@pytest.fixture
def engine_of() -> Any:
    def make(source: Path, digest: str = DIGEST) -> Engine:
        return SimpleNamespace(source=str(source), digest=digest)  # type: ignore[return-value]

    return make


@pytest.fixture
def ringed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The strategies that are ringed in the report's plot, which is not drawn."""
    found: list[str] = []

    def plot(*_: Any, ringed: Any = ()) -> Figure:
        found.extend(ringed)
        return Figure()

    monkeypatch.setattr(frontier, "plot_f1_vs_latency", plot)
    return found


def test_current_settings_are_ringed_in_the_report(folder: Path, engine_of: Any, ringed: list[str]) -> None:
    engine = load_engine()
    current = [engine.strategy("dense"), engine.strategy("entropy", "fast"), engine.strategy("rule", lambda_=1.9)]
    page = show(engine_of(folder), "one", current, folder)
    assert ringed == ["dense", "entropy:fast"]
    assert "current settings ringed" in page
    assert "did not measure the current settings of rule." in page


def test_nothing_is_ringed_in_a_report_of_other_weights(folder: Path, engine_of: Any, ringed: list[str]) -> None:
    page = show(engine_of(folder, "f" * 64), "one", [resolve("dense", 6, {})], folder)
    assert "is of other weights" in page
    assert "current settings ringed" not in page
    assert ringed == []


def test_calibration_rings_equal_settings_whatever_their_names() -> None:
    records = [RULE.to_json(), RULE.with_knobs(lambda_=1.9).to_json()]
    table = pd.DataFrame(
        {
            "strategy": "rule",
            "settings": [json.dumps(record | {"point": ""}) for record in records],
            "f1_drop_points": [0.1, 0.2],
            "theoretical_speedup": [2.0, 3.0],
        }
    )
    figure = plot_calibration(table, [RULE])
    assert places(figure) == [(0.1, 2), (0.2, 3)]
    assert rings(figure) == [(0.1, 2)]


def test_calibration_of_the_shipped_weights_rings_their_operating_points() -> None:
    engine = load_engine()
    table = pd.read_csv(Path(engine.source) / "frontier.csv")
    current: list[Strategy] = [engine.strategy("entropy"), engine.strategy("dense")]
    assert len(set(rings(plot_calibration(table, current)))) == 1


def test_says_what_is_missing(folder: Path, engine_of: Any, ringed: list[str]) -> None:
    page = show(engine_of(folder), "one", [], folder)
    assert "without frontier.csv" in page
    assert "The report one does not contain groups.png, exits.png, speed.png, ablations.png" in page
    assert "There is no report" in show(engine_of(folder), "../one", [], folder)


def test_all_plots_of_a_report_are_shown_and_say_what_they_were_measured_on() -> None:
    report = REPORTS / SHIPPED
    made = {path.name for path in report.glob("*.png")} - {"f1_vs_latency.png"}  # drawn anew, with rings
    assert {"groups.png", "exits.png", "speed.png"} <= made <= set(PICTURES)
    page = pictures(report)
    assert page.count("<img") == page.count("Measured on: corpus bc5cdr; split test; documents 500") == len(made)


def test_texts_from_files_are_text(folder: Path, engine_of: Any) -> None:
    path = folder / "one" / "results.csv"
    pd.read_csv(path).assign(corpus="<img src=x> ${1}").to_csv(path, index=False)
    page = show(engine_of(folder), "one", [], folder)
    assert "<img src=x>" not in page
    assert "${" not in page
