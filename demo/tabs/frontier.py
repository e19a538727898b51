"""The tab Frontier: the plots of the evaluator's reports, with the current settings ringed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
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
from demo.results.reports import REPORTS, RESULTS, measured_as, measured_on, other_weights, report_names
from demo.settings import chosen_strategies
from engine import Engine, InputError, Strategy
from eval.render.plots import RING, new_figure, plot_f1_vs_latency, styles

LABEL = "Frontier"
CALIBRATED = "frontier.csv"  # in a model folder
PICTURES = {  # of a report
    "groups.png": "Who bears the loss: F1 against dense by group of mentions, with 95 % intervals",
    "exits.png": "Share of the words of each gold label that have left, layer by layer",
    "speed.png": "Speed-up against dense by length of the text",
    "ablations.png": "F1 against dense and token-layers kept, one setting changed at a time",
}
WIDE = ("groups.png", "exits.png")  # a panel for each strategy


def show(engine: Engine, name: str | None, current: Sequence[Strategy], folder: Path = REPORTS) -> str:
    """All plots of one of the reports in a folder, and that of the weights' calibration."""
    if name not in report_names(folder):
        message = "There is no report. Create one with python -m eval.report --out docs/NAME."
        return alert(message) + calibrated(engine.source, current)
    report = folder / name
    return measured(report, current, engine.digest) + calibrated(engine.source, current) + pictures(report)


def measured(report: Path, current: Sequence[Strategy], digest: str) -> str:
    """The plot of a report's variants, and which of the current settings it did not measure."""
    results, intervals, times = (pd.read_csv(report / f"{name}.csv") for name in ("results", "intervals", "times"))
    title, caption = "F1 against latency", measured_on(results)
    if warning := other_weights(report, digest):
        return alert(warning) + drawing(plot_f1_vs_latency(results, intervals, times), title, caption, wide=True)
    rows = {strategy.name: measured_as(results, strategy) for strategy in current}
    if absent := [name for name, found in rows.items() if not found]:
        caption += f" This report did not measure the current settings of {', '.join(absent)}."
    figure = plot_f1_vs_latency(results, intervals, times, ringed=list(chain.from_iterable(rows.values())))
    return drawing(figure, f"{title}, current settings ringed", caption, wide=True)


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
    return drawing(plot_calibration(table, current), title, caption)


def _calibrated_on(table: pd.DataFrame) -> str:
    if "corpus" in table:
        return measured_on(table)
    return "Measured on the documents that calibration holds out; the model card names them."


def plot_calibration(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """F1 lost against dense and theoretical speed-up of every setting that calibration tried, from ``frontier.csv``."""
    wanted = [_settings(strategy) for strategy in current if strategy.gates]
    style = styles(table.assign(kind=table["strategy"], family=table["strategy"], prunes=True))
    figure, ((axis,),) = new_figure(1, 1, (6.4, 4.4))
    for name, rows in table.groupby("strategy", sort=False):
        drop, speedup = rows["f1_drop_points"], rows["theoretical_speedup"]
        axis.plot(drop, speedup, label=str(name), linestyle="none", markersize=4, alpha=0.5, **style[str(name)])
        ringed = [_settings(Strategy.from_json(json.loads(settings))) in wanted for settings in rows["settings"]]
        axis.scatter(drop[ringed], speedup[ringed], **RING)
    axis.set_xlabel("F1 lost against dense (points)")
    axis.set_ylabel("theoretical speed-up (dense ÷ own multiply-adds)")
    axis.legend(fontsize=8)
    figure.tight_layout()
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
