"""The tab Reports: what the evaluator's reports measured; each variant is a mark whose settings can be tried."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import pandas as pd
from matplotlib.figure import Figure

from demo.common.events import HIDDEN, QUIET, draw_when_visible
from demo.common.inputs import Inputs
from demo.common.links import read_link
from demo.common.markup import alert, escape, note
from demo.common.reports import ReportFolder, find_reports, own_report
from demo.common.settings_panel import shown_choices
from demo.settings import chosen_strategies, points
from demo.tabs.reports.chart import chart
from demo.tabs.reports.marks import Mark, read_marks
from engine import Engine, InputError, Strategy
from eval.render.plots import new_figure, styles

LABEL = "Reports"
SCRIPT = Path(__file__).with_name("chart.js")
NO_REPORT = "There is no report. Create one with python -m eval.report --out docs/NAME."
CALIBRATED = "frontier.csv"  # in a model folder
LOST = "F1 or agreement lost against the same model's dense pass"  # the model card says which one
RING = {"s": 260, "facecolors": "none", "edgecolors": "#c00000", "linewidths": 2, "zorder": 3}
PICTURES = {  # in a report
    "f1_vs_latency.png": "F1 against speed-up, as a picture",
    "groups.png": "Who bears the loss: F1 against dense by group of mentions, with 95 % intervals",
    "exits.png": "Share of words that have exited, by gold label and layer",
    "speed.png": "Speed-up against dense by length of the text",
    "ablations.png": "F1 against dense and token-layers kept, one setting changed at a time",
}
WIDE = ("f1_vs_latency.png", "groups.png", "exits.png")  # these have a panel for each batch size or strategy
_CODE = re.compile("&#96;(.+?)&#96;")  # a name in backticks, escaped


def show(engine: Engine, report: ReportFolder | None, batch_size: int | None, current: Sequence[Strategy]) -> str:
    """The conclusions and the chart of a report, with the other plots folded below."""
    shown, plots = alert(NO_REPORT), calibration_plot(engine.source, current)
    if report:
        shown = conclusions(report, engine.dtype) + report_chart(engine, report, batch_size, current)
        plots += pictures(report)
    return f'{shown}<details class="folded"><summary>Other plots</summary>{plots}</details>'


def conclusions(report: ReportFolder, dtype: str) -> str:
    """The report's opening sentences on a dtype, losses included."""
    sentences = escape(" ".join(report.opening(dtype).sentences()))
    marked = _CODE.sub(r"<code>\1</code>", sentences)
    return f'<p class="conclusions">{marked}</p>'


def report_chart(engine: Engine, report: ReportFolder, batch_size: int | None, current: Sequence[Strategy]) -> str:
    """The chart of a report, and the names of the current strategies that it did not measure as they are set."""
    marks = read_marks(report)
    sizes = sorted({mark.row["batch_size"] for mark in marks})
    size = batch_size if batch_size in sizes else sizes[0]
    of_size = [mark for mark in marks if mark.row["batch_size"] == size]
    conditions = f"Batch size: {size}. {report.conditions}"
    if warning := report.other_weights(engine.digest):
        return alert(warning) + chart(of_size, (), runnable_marks(engine, of_size), conditions)
    ran = {strategy.name: set(report.rows_of(strategy, engine.dtype)["strategy"]) for strategy in current}
    ringed = {(name, engine.dtype) for names in ran.values() for name in names}
    labels = {mark.label for mark in of_size if (mark.row["strategy"], mark.row["dtype"]) in ringed}
    absent = [name for name, rows in ran.items() if not rows]
    below = note(f"This report did not measure the current settings of {', '.join(absent)}.") if absent else ""
    return chart(of_size, labels, runnable_marks(engine, of_size), conditions) + below


def runnable_marks(engine: Engine, marks: Sequence[Mark]) -> dict[str, tuple[str, str]]:
    """Maps the label of each mark that the page can run to strategy and operating point.

    These are the marks in the page's dtype or, if the report did not measure that one, all.
    """
    own = [mark for mark in marks if mark.row["dtype"] == engine.dtype] or marks
    found = {mark.label: mark.runnable_as(engine.runnable, points(engine)) for mark in own}
    return {label: attempt for label, attempt in found.items() if attempt}


def calibration_plot(source: str, current: Sequence[Strategy]) -> str:
    """The plot of the weights' ``frontier.csv``, or a message that there is none."""
    path = Path(source).resolve() / CALIBRATED
    if not path.is_file():
        return alert(
            f"These weights come without {CALIBRATED}, the settings that calibration tried. "
            "Create it with python -m engine.training.calibrate --model FOLDER."
        )
    table = pd.read_csv(path)
    drawn = io.BytesIO()
    plot_calibration(table, current).savefig(drawn, format="svg", facecolor="white")
    title = f"{LOST} against theoretical speed-up for every setting that calibration tried; current settings ringed"
    caption = (
        f"{len(table)} settings from {path.parent.name}/{CALIBRATED}. "
        "The model card says whether they were measured against gold or by agreement with dense, and on which "
        "documents."
    )
    return picture(f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}", title, caption)


def plot_calibration(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """Plots loss and theoretical speed-up of every setting that calibration tried, from ``frontier.csv``."""
    wanted = [_without_names(strategy) for strategy in current if strategy.gates]
    style = styles(table.assign(kind=table["strategy"]))
    figure, ((axis,),) = new_figure(1, 1, (6.4, 4.4))
    for name, rows in table.groupby("strategy", sort=False):
        drop = rows["f1_drop_pp" if "f1_drop_pp" in rows else "f1_drop_points"]  # its name in earlier versions
        speedup = rows["theoretical_speedup"]
        axis.plot(drop, speedup, label=str(name), linestyle="none", markersize=4, alpha=0.5, **style[str(name)])
        ringed = [_without_names(Strategy.from_json(json.loads(settings))) in wanted for settings in rows["settings"]]
        axis.scatter(drop[ringed], speedup[ringed], **RING)
    axis.set_xlabel(f"{LOST} (pp)")
    axis.set_ylabel("theoretical speed-up (dense ÷ own MACs)")
    axis.legend(fontsize=8)
    return figure


def _without_names(strategy: Strategy) -> dict[str, Any]:
    """What makes two strategies run the same way."""
    return replace(strategy, name="", point="").to_json()


def pictures(report: ReportFolder) -> str:
    """The other plots of a report; those in further dtypes have the dtype in their file names."""
    shown = ""
    for name, title in PICTURES.items():
        file = report.folder / name
        for path in [file] * file.is_file() + sorted(report.folder.glob(f"{file.stem}-*.png")):
            dtype = path.stem.removeprefix(file.stem).replace("-", ", ", 1)
            source = f"docs/{quote(report.folder.name)}/{path.name}"
            shown += picture(source, title + dtype, report.conditions, wide=name in WIDE)
    return shown


def picture(source: str, title: str, caption: str, *, wide: bool = False) -> str:
    """An image with its caption; a wide one keeps its size and scrolls."""
    image = f'<img src="{source}" alt="{escape(title)}" loading="lazy">'
    if wide:
        image = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{image}</div>'
    return (
        f'<figure class="plot">{image}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def updates_to_try(engine: Engine, strategy: object, point: object) -> list[Any]:
    """Updates of strategies and settings that run a strategy beside dense; the values are checked."""
    names = list(dict.fromkeys(["dense", str(strategy)]))
    return read_link(engine, {"strategies": ",".join(names), "point": str(point)})[1:]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab; rings show the current settings, and a click on a mark applies its settings."""
    reports, own = find_reports(), own_report(engine)
    sizes = sorted({int(size) for report in reports.values() for size in report.results["batch_size"]})

    def on_show(name: str | None, batch_size: int | None, names: list[str], *settings: Any) -> list[str]:
        try:
            current = chosen_strategies(engine, names, *settings)
            return [show(engine, reports.get(name or ""), batch_size, current)]
        except InputError as error:
            return [alert(str(error))]

    def on_try(shown: str, event: gr.EventData) -> list[Any]:
        asked = event._data if isinstance(event._data, dict) else {}
        names, *settings = updates_to_try(engine, asked.get("strategy"), asked.get("point"))
        return [shown_choices(names, shown), names, *settings]

    with gr.Row():
        report = gr.Dropdown(
            [(report.title, name) for name, report in reports.items()],
            value=own.folder.name if own else next(iter(reports), None),
            label="Report",
            visible=len(reports) > 1,
            scale=3,
            min_width=300,
        )
        batch_size = gr.Radio(
            sizes, value=sizes[0] if sizes else None, label="Batch size", visible=len(sizes) > 1, scale=1
        )
    plots = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))
    values = [report, batch_size, *inputs.choice]
    changes = [part.change for part in values]
    draw_when_visible(tab, inputs.visible_tab, values, changes, on_show, [plots], **HIDDEN)
    shown = inputs.panel.shown
    plots.select(on_try, shown, [shown, *inputs.choice], **QUIET)
