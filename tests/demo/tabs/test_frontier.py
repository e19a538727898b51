"""The tab Frontier: a report's chart with the current settings, and the message if something is missing."""

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

from demo.common.reports import REPORTS, report_title
from demo.tabs.frontier import PICTURES, batch_sizes, first_report, pictures, plot_calibration, show, tried
from engine import Engine, load_engine
from engine.pruning.strategy_names import resolve

DIGEST = "0123456789abcdef" * 4
SHIPPED = "bc5cdr-test"  # a report on the shipped weights
RULE = resolve("rule", 6, {})


def places(figure: Figure) -> list[tuple[float, float]]:
    """Coordinates of all marks."""
    return [tuple(place) for axis in figure.axes for line in axis.lines for place in np.transpose(line.get_data())]


def rings(figure: Figure) -> list[tuple[float, float]]:
    """Coordinates of all rings."""
    marks = [one for axis in figure.axes for one in axis.collections if isinstance(one, PathCollection)]
    return [tuple(place) for one in marks for place in np.asarray(one.get_offsets()).tolist()]


def ringed(page: str) -> list[str]:
    """The names of ringed marks."""
    return [part.partition('aria-label="')[2].partition(": ")[0] for part in page.split('class="current"')[1:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one report, on weights with ``DIGEST``."""
    report = tmp_path / "one"
    report.mkdir()
    for name in ("results", "intervals"):
        shutil.copy(REPORTS / SHIPPED / f"{name}.csv", report)
    (report / "results.json").write_text(json.dumps({"about": {"weights": f"SHA-256 {DIGEST[:16]}…"}}))
    return tmp_path


@pytest.fixture
def engine_of() -> Any:
    def make(source: Path, digest: str = DIGEST) -> Engine:
        own = {"source": str(source), "digest": digest, "dtype": "float32", "runnable": ["dense", "entropy"]}
        return SimpleNamespace(**own, points={"entropy": {"balanced": {}, "fast": {}}})  # type: ignore[return-value]

    return make


def test_current_settings_are_ringed_in_the_report(folder: Path, engine_of: Any) -> None:
    engine = load_engine()
    current = [engine.strategy("dense"), engine.strategy("entropy", "fast"), engine.strategy("rule", lambda_=1.9)]
    page = show(engine_of(folder), "one", 1, current, folder)
    assert sorted(ringed(page)) == ["dense (float32)", "entropy:fast (float32)"]
    assert "did not measure the current settings of rule." in page


def test_nothing_is_ringed_in_a_report_of_other_weights(folder: Path, engine_of: Any) -> None:
    page = show(engine_of(folder, "f" * 64), "one", 1, [resolve("dense", 6, {})], folder)
    assert "measured other weights" in page
    assert ringed(page) == []


def test_marks_that_the_page_can_run_can_be_tried(folder: Path, engine_of: Any) -> None:
    page = show(engine_of(folder), "one", 1, [], folder)
    assert page.count("data-strategy=") == 3  # dense, entropy, entropy:fast: the engine has no exact
    assert 'data-strategy="entropy" data-point="fast"' in page


def test_a_tried_mark_sets_strategies_and_settings_and_nothing_else_does() -> None:
    engine = load_engine()
    names, point, trigger, *values = tried(engine, "entropy", "fast")
    assert (names, point, trigger) == (["dense", "entropy"], "fast", "")
    assert all(isinstance(value, float) for value in values)
    skipped = tried(engine, "<script>", {"x": 1})
    assert skipped[0] == ["dense"]
    assert all(isinstance(update, dict) for update in skipped[1:])  # unchanged


def test_batch_sizes_are_shown_one_at_a_time(folder: Path, engine_of: Any) -> None:
    assert batch_sizes(folder) == [1, 32]
    assert "Batch size: 32." in show(engine_of(folder), "one", 32, [], folder)
    assert "Batch size: 1." in show(engine_of(folder), "one", 7, [], folder)  # not measured: the first one


def test_the_tab_opens_with_a_report_of_these_weights(folder: Path, engine_of: Any) -> None:
    other = folder / "a"
    shutil.copytree(folder / "one", other)
    (other / "results.json").write_text(json.dumps({"about": {"weights": "SHA-256 ffffffffffffffff…", "model": "m"}}))
    assert first_report(engine_of(folder), folder) == "one"
    assert first_report(engine_of(folder), folder / "none") is None
    assert report_title(other) == "m, bc5cdr test, float32, int8 (a)"


def test_the_report_s_conclusions_stand_above_the_chart_losses_included(folder: Path, engine_of: Any) -> None:
    page = show(engine_of(folder), "one", 1, [], folder)
    before, chart, _ = page.partition('<figure class="frontier">')
    assert chart
    for part in (
        "<code>entropy (float32)</code> is 2.35× as fast as",
        "may lose more",
        "openvino",
    ):
        assert part in before
    (folder / "one" / "intervals.csv").unlink()
    assert "conclusions" not in show(engine_of(folder), "one", 1, [], folder)


def test_calibration_rings_equal_settings_whatever_their_names() -> None:
    records = [RULE.to_json(), RULE.with_settings(lambda_=1.9).to_json()]
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


def test_all_plots_of_a_report_are_shown_and_say_what_they_were_measured_on() -> None:
    report = REPORTS / SHIPPED
    made = {path.name for path in report.glob("*.png")}
    assert {"f1_vs_latency.png", "groups.png", "exits.png", "speed.png"} <= made
    assert {name.replace("-int8.", ".") for name in made} <= set(PICTURES)
    page = pictures(report)
    assert page.count("<img") == page.count("Measured on: corpus bc5cdr; split test; documents 500") == len(made)


def test_texts_from_files_are_text(folder: Path, engine_of: Any) -> None:
    for name in ("results", "intervals"):
        path = folder / "one" / f"{name}.csv"
        table = pd.read_csv(path).replace("onnx", "<img src=y> ${2}")
        (table.assign(corpus="<img src=x> ${1}") if name == "results" else table).to_csv(path, index=False)
    page = show(engine_of(folder), "one", 1, [], folder)
    assert "<img src=" not in page
    assert "${" not in page
