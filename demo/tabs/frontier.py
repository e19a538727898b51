"""The tab Frontier: F1 against latency from the evaluator's own files. Plots are functions of the CSV files alone."""

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

from demo.html.escape import escape, notice
from demo.limits import MODEL_WORK
from demo.page.inputs import Inputs
from demo.page.seen import draw_when_seen
from demo.settings import REPLAYED, chosen_strategy
from engine import Engine, InputError, Strategy
from engine.pruning.controllers import RandomController
from engine.pruning.strategy import PRUNING, base_name

REPORTS = Path(__file__).resolve().parents[2] / "docs"
RESULTS, FACTS, CALIBRATED = "results.csv", "results.json", "frontier.csv"
PICTURES = {  # that eval.report writes
    "groups.png": "Who bears the loss: F1 against dense by group of mentions, with 95 % intervals",
    "exits.png": "Share of the words of each gold label that have left, layer by layer",
    "speed.png": "Speed-up against dense by length of the text",
    "ablations.png": "F1 against dense and token-layers kept, one setting changed at a time",
}
WIDE = ("groups.png", "exits.png")  # a panel for each strategy: shown in full size, to scroll
MEASURED_ON = ("corpus", "split", "documents", "device", "threads", "dtype", "torch", "commit")
MARKERS = {"dense": "s", "hf": "D", "rule": "^", "entropy": "o", "mlp": "P", "random": "x", "truncate": "v"}
RING: dict[str, Any] = {"s": 260, "facecolors": "none", "edgecolors": "#c00000", "linewidths": 2, "zorder": 3}


def reports(folder: Path) -> list[str]:
    """The names of the reports in a folder: its folders with a ``results.csv``."""
    return sorted(path.parent.name for path in folder.glob(f"*/{RESULTS}"))


def measured_on(table: pd.DataFrame) -> str:
    """On what the rows of a CSV file were measured, as its columns have it."""
    known = [(name, table[name].dropna().unique()) for name in MEASURED_ON if name in table]
    parts = [f"{name} {', '.join(map(str, values))}" for name, values in known if len(values)]
    return f"Measured on: {'; '.join(parts)}." if parts else "The file does not say on what it was measured."


def setting(strategy: Strategy) -> dict[str, Any]:
    """What makes two strategies run alike: all of the settings but names."""
    return replace(strategy, name="", point="").to_json()


def ran_as(strategy: Strategy) -> tuple[str, str]:
    """Name and operating point under which a report has a strategy; ``random`` goes by what it replays."""
    if isinstance(strategy.controller, RandomController):
        replays = strategy.controller.replays
        return f"random@{replays.base}", replays.point
    return strategy.base, strategy.point


def rows_ran_as(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The same of each row of ``results.csv``, where plain ``random`` replays the first pruning strategy."""
    names = table["strategy"].astype(str)
    points = dict(zip(names, table["point"].astype(object).fillna(""), strict=True))
    first = next((name for name in names if base_name(name) in PRUNING), REPLAYED)

    def row(name: str) -> tuple[str, str]:
        kind, _, replayed = name.partition("@")
        if kind != "random":
            return base_name(name), points[name]
        replays = replayed or first
        return f"random@{base_name(replays)}", points.get(replays, replays.partition(":")[2])

    return [row(name) for name in names]


def measured_figure(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """F1 against the median latency of a call, a panel for each batch size, from ``results.csv``; current ones ringed.

    Args:
        table: the rows.
        current: strategies as the page's settings have them.
    """
    wanted = {ran_as(strategy) for strategy in current}
    table = table.assign(current=[ran in wanted for ran in rows_ran_as(table)])
    sizes = sorted(table["batch_size"].unique())
    figure = Figure(figsize=(5.4 * len(sizes), 4.4), layout="constrained")
    axes = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
    for axis, size in zip(axes, sizes, strict=True):
        for number, (_, row) in enumerate(table[table["batch_size"] == size].iterrows()):
            point = (row["latency_ms_median"], row["f1"])
            label = f"{row['strategy']} {row['speedup_vs_dense']:.2f}×"
            axis.scatter(*point, marker=_marker(row["strategy"]), color=f"C{number}", s=50, label=label)
            if row["current"]:
                axis.scatter(*point, **RING)
        axis.set_title(f"batch size {size}", fontsize=10)
        axis.set_xlabel("latency of a call, median (ms)")
        axis.margins(0.1)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("exact-span micro F1")
    return figure


def calibrated_figure(table: pd.DataFrame, current: Sequence[Strategy]) -> Figure:
    """F1 lost against dense ÷ own multiply-adds for every setting that calibration tried; current ones ringed."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axis = figure.subplots()
    wanted = [setting(strategy) for strategy in current if strategy.gates]
    for name, rows in table.groupby("strategy"):
        drops, marker = rows["f1_drop_points"], _marker(str(name))
        axis.scatter(drops, rows["promised_speedup"], label=str(name), marker=marker, alpha=0.5, s=18)
        for _, row in rows.iterrows():
            if setting(Strategy.from_json(json.loads(row["settings"]))) in wanted:
                axis.scatter(row["f1_drop_points"], row["promised_speedup"], **RING)
    axis.set_xlabel("F1 lost against dense (points)")
    axis.set_ylabel("dense ÷ own multiply-adds")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _marker(name: str) -> str:
    return MARKERS.get(re.split("[@:+-]", name)[0], "*")


def picture(data: bytes, kind: str, title: str, caption: str, *, wide: bool = False) -> str:
    """A figure with its caption; the picture is part of the page, so that no file need be served."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img src="{source}" alt="{escape(title)}">'
    if wide:
        image = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{image}</div>'
    return (
        f'<figure class="plot">{image}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def _drawn(figure: Figure, title: str, caption: str) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="svg", facecolor="white")
    return picture(out.getvalue(), "svg+xml", title, caption)


def of_other_weights(folder: Path, digest: str) -> str | None:
    """What to know if a report is not one of the weights with this SHA-256."""
    path = folder / FACTS
    about = json.loads(path.read_text(encoding="utf-8"))["about"] if path.is_file() else {}
    known = re.search("[0-9a-f]{16,64}", about.get("weights", ""))
    if known is None:
        return f"The report {folder.name} does not say with which weights it was made, so no setting is ringed."
    if digest.startswith(known[0]):
        return None
    return (
        f"The report {folder.name} was made with other weights, or in another dtype, than are loaded here "
        f"(SHA-256 {known[0]}…, not {digest[:16]}…): its numbers are not theirs, and no setting is ringed."
    )


def measured(folder: Path, current: Sequence[Strategy], digest: str) -> str:
    """The plot of a report's ``results.csv``, and what it does not hold of the current settings and weights."""
    table = pd.read_csv(folder / RESULTS)
    caption = measured_on(table)
    other = of_other_weights(folder, digest)
    if other:
        return notice(other) + _drawn(measured_figure(table, []), "F1 against latency", caption)
    found = rows_ran_as(table)
    if absent := [one.name for one in current if ran_as(one) not in found]:
        caption += f" With the current settings, this report did not measure {', '.join(absent)}."
    return _drawn(measured_figure(table, current), "F1 against latency, current settings ringed", caption)


def calibrated(source: str, current: Sequence[Strategy]) -> str:
    """The plot of the weights' ``frontier.csv``, or that there is none."""
    path = Path(source) / CALIBRATED
    if not path.is_file():
        return notice(
            f"These weights come without {CALIBRATED}, the settings that calibration tries: "
            "make it with python -m engine.training.calibrate --model FOLDER."
        )
    table = pd.read_csv(path)
    title = "F1 lost against computing saved, for every setting that calibration tried; current settings ringed"
    caption = f"By formula, not by the clock. From {path.parent.name}/{CALIBRATED}: {len(table)} settings. "
    return _drawn(calibrated_figure(table, current), title, caption + _calibration_data(table))


def _calibration_data(table: pd.DataFrame) -> str:
    if "corpus" in table:
        return measured_on(table)
    return "Measured on the documents that calibration holds out; the model card names them."


def pictures(folder: Path) -> str:
    """The report's other plots, and which of them there are not."""
    caption = measured_on(pd.read_csv(folder / RESULTS))
    there = [name for name in PICTURES if (folder / name).is_file()]
    page = "".join(
        picture((folder / name).read_bytes(), "png", PICTURES[name], caption, wide=name in WIDE) for name in there
    )
    absent = [name for name in PICTURES if name not in there]
    return page + (notice(f"Not in the report {folder.name}: {', '.join(absent)}.") if absent else "")


def show(engine: Engine, name: str | None, current: Sequence[Strategy], folder: Path = REPORTS) -> str:
    """All plots, for one of the reports in a folder."""
    if name not in reports(folder):
        page = notice("No report is at hand. Make one with python -m eval.report --out docs/NAME.")
        return page + calibrated(engine.source, current)
    report = folder / name
    return measured(report, current, engine.digest) + calibrated(engine.source, current) + pictures(report)


def build_frontier(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, whose plots follow the settings above it."""

    def on_show(
        name: str | None, names: list[str], point: str | None, trigger: str | None, *values: float
    ) -> list[str]:
        try:
            current = [chosen_strategy(engine, one, point, trigger, values) for one in names]
        except InputError as error:
            return [notice(str(error))]
        return [show(engine, name, current)]

    names = reports(REPORTS)
    report = gr.Dropdown(names, value=names[0] if names else None, label="Report", visible=len(names) > 1)
    plots = gr.HTML()
    values = [report, inputs.strategies, *inputs.settings]
    changes = [part.change for part in values]
    draw_when_seen(inputs, tab, values, changes, on_show, [plots], api_visibility="private", **MODEL_WORK)
