"""The tab Frontier: what the evaluator's reports measured; each variant is a mark whose settings can be tried."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from matplotlib.figure import Figure

from demo.common.blocks import QUIET
from demo.common.inputs import Inputs, shown_choices
from demo.common.links import read_link
from demo.common.markup import alert, escape, note
from demo.common.redraw import redraw_when_visible
from demo.common.reports import (
    REPORTS,
    RESULTS,
    measured_as,
    measured_on,
    other_weights,
    own_opening,
    report_names,
    report_title,
)
from demo.settings import chosen_strategies, points
from demo.tabs.frontier.chart import chart
from demo.tabs.frontier.variants import INTERVALS, Variant, read_variants, runnable_as
from engine import Engine, InputError, Strategy
from eval.render.plots import LOST, new_figure, styles

LABEL = "Frontier"
SCRIPT = Path(__file__).with_name("chart.js")
CALIBRATED = "frontier.csv"  # in a model folder
RING = {"s": 260, "facecolors": "none", "edgecolors": "#c00000", "linewidths": 2, "zorder": 3}
PICTURES = {  # in a report
    "f1_vs_latency.png": "F1 against latency, as a picture",
    "groups.png": "Who bears the loss: F1 against dense by group of mentions, with 95 % intervals",
    "exits.png": "Share of words that have exited, by gold label and layer",
    "speed.png": "Speed-up against dense by length of the text",
    "ablations.png": "F1 against dense and token-layers kept, one setting changed at a time",
}
_CODE = re.compile("&#96;(.+?)&#96;")  # a name in backticks, escaped
WIDE = ("f1_vs_latency.png", "groups.png", "exits.png")  # these have a panel for each batch size or strategy


def batch_sizes(folder: Path) -> list[int]:
    """The batch sizes in all reports of a folder."""
    tables = (pd.read_csv(folder / name / RESULTS, usecols=["batch_size"]) for name in report_names(folder))
    return sorted({int(size) for table in tables for size in table["batch_size"]})


def first_report(engine: Engine, folder: Path) -> str | None:
    """The report that the tab opens with: the longest one on these weights, or of all if there is none."""
    names = report_names(folder)
    rows = {name: len(pd.read_csv(folder / name / RESULTS)) for name in names}
    own = [name for name in names if other_weights(folder / name, engine.digest) is None]
    return max(own or names, key=lambda name: rows[name], default=None)


def show(
    engine: Engine, name: str | None, batch_size: int | None, current: Sequence[Strategy], folder: Path = REPORTS
) -> str:
    """The chart of one report in a folder, with the other plots folded below it."""
    if name not in report_names(folder):
        message = "There is no report. Create one with python -m eval.report --out docs/NAME."
        return alert(message) + folded(calibrated(engine.source, current))
    report = folder / name
    shown = conclusions(engine, report) + measured(engine, report, batch_size, current)
    return shown + folded(calibrated(engine.source, current) + pictures(report))


def conclusions(engine: Engine, report: Path) -> str:
    """The report's opening sentences, losses included, on the page's dtype; nothing for a report without intervals."""
    if not (report / INTERVALS).is_file():
        return ""
    sentences = escape(" ".join(own_opening(report, engine).sentences()))
    marked = _CODE.sub(r"<code>\1</code>", sentences)
    return f'<p class="conclusions">{marked}</p>'


def measured(engine: Engine, report: Path, batch_size: int | None, current: Sequence[Strategy]) -> str:
    """The chart of a report's variants, and the current settings that it did not measure."""
    results = pd.read_csv(report / RESULTS)
    variants = read_variants(report)
    sizes = sorted({one.batch_size for one in variants})
    size = batch_size if batch_size in sizes else sizes[0]
    of_size = [one for one in variants if one.batch_size == size]
    conditions = f"Batch size: {size}. {measured_on(results)}"
    if warning := other_weights(report, engine.digest):
        return alert(warning) + chart(of_size, (), _tries(engine, of_size), conditions)
    own = results[results["dtype"] == engine.dtype]
    rows = {strategy.name: measured_as(own, strategy) for strategy in current}
    ringed = {name for found in rows.values() for name in found}
    labels = {one.label for one in of_size if one.name in ringed and one.dtype == engine.dtype}
    absent = [name for name, found in rows.items() if not found]
    below = note(f"This report did not measure the current settings of {', '.join(absent)}.") if absent else ""
    return chart(of_size, labels, _tries(engine, of_size), conditions) + below


def _tries(engine: Engine, variants: Sequence[Variant]) -> dict[str, tuple[str, str]]:
    """What the page can run: variants in its dtype, or all of them, in its dtype, if the report did not measure it."""
    own = [one for one in variants if one.dtype == engine.dtype] or variants
    found = {one.label: runnable_as(one, engine.runnable, points(engine)) for one in own}
    return {label: attempt for label, attempt in found.items() if attempt}


def folded(plots: str) -> str:
    """Hides plots until they are unfolded."""
    return f'<details class="folded"><summary>Other plots</summary>{plots}</details>'


def calibrated(source: str, current: Sequence[Strategy]) -> str:
    """The plot of the weights' ``frontier.csv``, or a message that there is none."""
    path = Path(source).resolve() / CALIBRATED
    if not path.is_file():
        return alert(
            f"These weights come without {CALIBRATED}, the settings that calibration tried. "
            "Create it with python -m engine.training.calibrate --model FOLDER."
        )
    table = pd.read_csv(path)
    title = f"{LOST} against theoretical speed-up for every setting that calibration tried; current settings ringed"
    caption = (
        f"{len(table)} settings from {path.parent.name}/{CALIBRATED}. "
        "The model card says whether they were measured against gold or by agreement with dense, and on which "
        "documents."
    )
    return drawing(plot_calibration(table, current), title, caption)


def plot_calibration(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """Plots loss and theoretical speed-up of every setting that calibration tried, from ``frontier.csv``."""
    wanted = [_settings(strategy) for strategy in current if strategy.gates]
    style = styles(table.assign(kind=table["strategy"], family=table["strategy"], prunes=True))
    figure, ((axis,),) = new_figure(1, 1, (6.4, 4.4))
    for name, rows in table.groupby("strategy", sort=False):
        drop, speedup = rows["f1_drop_points"], rows["theoretical_speedup"]
        axis.plot(drop, speedup, label=str(name), linestyle="none", markersize=4, alpha=0.5, **style[str(name)])
        ringed = [_settings(Strategy.from_json(json.loads(settings))) in wanted for settings in rows["settings"]]
        axis.scatter(drop[ringed], speedup[ringed], **RING)
    axis.set_xlabel(f"{LOST} (pp)")
    axis.set_ylabel("theoretical speed-up (dense ÷ own MACs)")
    axis.legend(fontsize=8)
    return figure


def _settings(strategy: Strategy) -> dict[str, Any]:
    """What makes two strategies run the same way: everything except names."""
    return replace(strategy, name="", point="").to_json()


def pictures(report: Path) -> str:
    """The other plots of a report."""
    caption = measured_on(pd.read_csv(report / RESULTS))
    return "".join(
        picture(path.read_bytes(), "png", title + dtype, caption, wide=name in WIDE)
        for name, title in PICTURES.items()
        for dtype, path in _in_each_dtype(report / name).items()
    )


def _in_each_dtype(plot: Path) -> dict[str, Path]:
    """The files of a plot by the ending of their titles; files for further dtypes carry the dtype's name."""
    further = {f", {path.stem.removeprefix(plot.stem + '-')}": path for path in plot.parent.glob(f"{plot.stem}-*.png")}
    return ({"": plot} if plot.is_file() else {}) | dict(sorted(further.items()))


def tried(engine: Engine, strategy: object, point: object) -> list[Any]:
    """Updates of strategies and settings that run a strategy beside ``dense``; values are checked."""
    names = list(dict.fromkeys(["dense", str(strategy)]))
    return read_link(engine, {"strategies": ",".join(names), "point": str(point)})[1:]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab; its rings follow the settings, and its marks change them."""

    def on_show(name: str | None, batch_size: int | None, names: list[str], *settings: Any) -> list[str]:
        try:
            return [show(engine, name, batch_size, chosen_strategies(engine, names, *settings))]
        except InputError as error:
            return [alert(str(error))]

    def on_try(shown: str, event: gr.EventData) -> list[Any]:
        asked = event._data if isinstance(event._data, dict) else {}
        names, *settings = tried(engine, asked.get("strategy"), asked.get("point"))
        return [shown_choices(names, shown), names, *settings]

    names, sizes = report_names(REPORTS), batch_sizes(REPORTS)
    with gr.Row():
        report = gr.Dropdown(
            [(report_title(REPORTS / name), name) for name in names],
            value=first_report(engine, REPORTS),
            label="Report",
            visible=len(names) > 1,
            scale=3,
            min_width=300,
        )
        batch_size = gr.Radio(
            sizes, value=sizes[0] if sizes else None, label="Batch size", visible=len(sizes) > 1, scale=1
        )
    plots = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))
    values = [report, batch_size, inputs.strategies, *inputs.settings]
    changes = [part.change for part in values]
    redraw_when_visible(
        inputs, tab, values, changes, on_show, [plots], api_visibility="private", show_progress="hidden"
    )
    plots.select(on_try, inputs.shown, [inputs.shown, inputs.strategies, *inputs.settings], **QUIET)


def picture(data: bytes, kind: str, title: str, caption: str, *, wide: bool = False) -> str:
    """An image of MIME type ``image/kind`` with its caption; a wide one keeps its size and scrolls."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img src="{source}" alt="{escape(title)}">'
    if wide:
        image = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{image}</div>'
    return (
        f'<figure class="plot">{image}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def drawing(figure: Figure, title: str, caption: str) -> str:
    """A plot with its caption; see `picture`."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", facecolor="white")
    return picture(out.getvalue(), "svg+xml", title, caption)
