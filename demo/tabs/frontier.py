"""The tab Frontier: F1 against latency from the evaluator's reports, with the current settings ringed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from matplotlib.figure import Figure

from demo.html.escape import alert
from demo.html.figures import drawing, picture
from demo.limits import MODEL_WORK
from demo.page.inputs import Inputs
from demo.page.redraw import redraw_when_visible
from demo.results.reports import REPORTS, RESULTS, current_rows, measured_on, not_measured, other_weights, report_names
from demo.settings import chosen_strategies
from engine import Engine, InputError, Strategy

LABEL = "Frontier"
CALIBRATED = "frontier.csv"  # in a model folder
PICTURES = {  # of a report
    "groups.png": "Who bears the loss: F1 against dense by group of mentions, with 95 % intervals",
    "exits.png": "Share of the words of each gold label that have left, layer by layer",
    "speed.png": "Speed-up against dense by length of the text",
    "ablations.png": "F1 against dense and token-layers kept, one setting changed at a time",
}
WIDE = ("groups.png", "exits.png")  # a panel for each strategy
RING: dict[str, Any] = {"s": 260, "facecolors": "none", "edgecolors": "#c00000", "linewidths": 2, "zorder": 3}


def show(engine: Engine, name: str | None, current: Sequence[Strategy], folder: Path = REPORTS) -> str:
    """All plots of one of the reports in a folder, and that of the weights' calibration."""
    if name not in report_names(folder):
        message = "There is no report. Create one with python -m eval.report --out docs/NAME."
        return alert(message) + calibrated(engine.source, current)
    report = folder / name
    return measured(report, current, engine.digest) + calibrated(engine.source, current) + pictures(report)


def measured(report: Path, current: Sequence[Strategy], digest: str) -> str:
    """The plot of a report's ``results.csv``, and which current settings it did not measure."""
    table = pd.read_csv(report / RESULTS)
    caption = measured_on(table)
    if warning := other_weights(report, digest):
        return alert(warning) + drawing(measured_figure(table, []), "F1 against latency", caption)
    if absent := not_measured(table, current):
        caption += f" This report did not measure the current settings of {', '.join(absent)}."
    return drawing(measured_figure(table, current), "F1 against latency, current settings ringed", caption)


def measured_figure(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """F1 against the median latency of a call, a panel for each batch size, from ``results.csv``."""
    table = table.assign(current=current_rows(table, current))
    sizes = sorted(table["batch_size"].unique())
    figure = Figure(figsize=(5.4 * len(sizes), 4.4), layout="constrained")
    axes = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
    for axis, size in zip(axes, sizes, strict=True):
        for _, row in table[table["batch_size"] == size].iterrows():
            point = (row["latency_ms_median"], row["f1"])
            axis.scatter(*point, s=50, label=f"{row['strategy']} {row['speedup_vs_dense']:.2f}×")
            if row["current"]:
                axis.scatter(*point, **RING)
        axis.set_title(f"batch size {size}", fontsize=10)
        axis.set_xlabel("latency of a call, median (ms)")
        axis.margins(0.1)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("exact-span micro F1")
    return figure


def calibrated(source: str, current: Sequence[Strategy]) -> str:
    """The plot of the weights' ``frontier.csv``, or that there is none."""
    path = Path(source) / CALIBRATED
    if not path.is_file():
        return alert(
            f"These weights come without {CALIBRATED}, the settings that calibration tried. "
            "Create it with python -m engine.training.calibrate --model FOLDER."
        )
    table = pd.read_csv(path)
    title = "F1 lost against theoretical speed-up for every setting that calibration tried; current settings ringed"
    caption = f"{len(table)} settings from {path.parent.name}/{CALIBRATED}. {_calibrated_on(table)}"
    return drawing(calibrated_figure(table, current), title, caption)


def _calibrated_on(table: pd.DataFrame) -> str:
    if "corpus" in table:
        return measured_on(table)
    return "Measured on the documents that calibration holds out; the model card names them."


def calibrated_figure(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """F1 lost against dense and theoretical speed-up of every setting that calibration tried."""
    wanted = [_settings(strategy) for strategy in current if strategy.gates]
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axis = figure.subplots()
    for name, rows in table.groupby("strategy"):
        axis.scatter(rows["f1_drop_points"], rows["theoretical_speedup"], label=str(name), alpha=0.5, s=18)
        for _, row in rows.iterrows():
            if _settings(Strategy.from_json(json.loads(row["settings"]))) in wanted:
                axis.scatter(row["f1_drop_points"], row["theoretical_speedup"], **RING)
    axis.set_xlabel("F1 lost against dense (points)")
    axis.set_ylabel("theoretical speed-up (dense ÷ own multiply-adds)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _settings(strategy: Strategy) -> dict[str, Any]:
    """What makes two strategies run alike: everything but names."""
    return replace(strategy, name="", point="").to_json()


def pictures(report: Path) -> str:
    """The other plots of a report, and which of them it lacks."""
    caption = measured_on(pd.read_csv(report / RESULTS))
    there = [name for name in PICTURES if (report / name).is_file()]
    page = "".join(
        picture((report / name).read_bytes(), "png", PICTURES[name], caption, wide=name in WIDE) for name in there
    )
    absent = [name for name in PICTURES if name not in there]
    return page + (alert(f"The report {report.name} does not contain {', '.join(absent)}.") if absent else "")


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, whose plots follow the settings above it."""

    def on_show(name: str | None, names: list[str], *settings: Any) -> list[str]:
        try:
            return [show(engine, name, chosen_strategies(engine, names, *settings))]
        except InputError as error:
            return [alert(str(error))]

    names = report_names(REPORTS)
    report = gr.Dropdown(names, value=names[0] if names else None, label="Report", visible=len(names) > 1)
    plots = gr.HTML()
    values = [report, inputs.strategies, *inputs.settings]
    changes = [part.change for part in values]
    redraw_when_visible(inputs, tab, values, changes, on_show, [plots], api_visibility="private", **MODEL_WORK)
