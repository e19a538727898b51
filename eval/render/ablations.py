"""The page of ablations, with its plot and the settings that fail, from ``ablations.csv`` alone."""

from __future__ import annotations

from itertools import cycle, pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eval.render.files import read_table, rows_of
from eval.render.pages import Page, Parts, Section, Table, write_pages
from eval.render.plots import DENSE_LINE, WIDTH, LabelledMark, new_figure, save_png, write_labels
from eval.render.text import escape, f1_interval, pp, ratio, share
from eval.schema import LAMBDA, Ablation

ABLATIONS = "ablations"
READING = (
    "One setting varies at a time, and all others stay as stored, with three exceptions: for `min_keep_ratio`, λ of "
    "`rule` is the largest; for `recovery_limit`, the trigger is `any`; all values of *recovery*, *off* included, have "
    "the gates of `entropy+recovery`. Nothing was timed: the theoretical speed-up is dense ÷ own MACs. Changed "
    "predictions are counted against the default."
)


def render_ablations(folder: Path, title: str) -> list[str]:
    """Writes the plot and page of a folder with ``ablations.csv`` alone; returns the settings that fail, in words."""
    ablations = read_table(folder, ABLATIONS)
    save_png(plot_ablations(ablations), folder / "ablations.png")
    write_pages(Page(title, [Section("One setting at a time", ablations_parts(ablations))]), folder, ABLATIONS)
    return failures(ablations)


def failures(ablations: pd.DataFrame) -> list[str]:
    """Sentences on the settings that fail their checks.

    A larger λ must lower the share of token-layers, and at least one value of every setting must have an effect.
    """
    found = []
    for (setting, strategy), of in ablations.groupby(["setting", "strategy"], sort=False):
        changed = of[~of["is_default"]]
        if setting == LAMBDA:
            ordered: list[Ablation] = sorted(rows_of(of), key=lambda row: float(row["value"]))
            found += [
                f"λ of {strategy}: expected fewer token-layers at {after['value']} than at {before['value']}, got "
                f"{after['token_layers_kept']:.5f} after {before['token_layers_kept']:.5f}"
                for before, after in pairwise(ordered)
                if after["token_layers_kept"] >= before["token_layers_kept"]
            ]
        if len(changed) and not changed["effect"].any():
            values = ", ".join(of["value"])
            found.append(
                f"{setting} of {strategy}: expected an effect on predictions, cost or trace, got none ({values})"
            )
    return found


def ablations_parts(ablations: pd.DataFrame) -> Parts:
    """Failures, the plot, and every value of every setting."""
    columns = [
        "setting", "strategy", "value", "F1 [95 %]", "against dense, pp [95 %]", "against default, pp [95 %]",
        "token-layers kept", "theoretical speed-up", "recovered words", "predictions changed",
    ]  # fmt: skip
    cells = []
    for row in rows_of(ablations):
        value, difference, changed = f"{row['value']} (default)", "—", "—"
        if not row["is_default"]:
            value, difference = row["value"], pp(row, "default_")
            changed = row["changed_predictions"] if row["effect"] else "no effect"
        figures = f1_interval(row), pp(row), difference
        cost = share(row["token_layers_kept"]), ratio(row["theoretical_speedup"]), row["recovered_words"]
        cells.append([row["setting"], row["strategy"], value, *figures, *cost, changed])
    warnings = [f"> **Failed**: {escape(failure)}" for failure in failures(ablations)]
    plot = "![F1 against dense over the share of token-layers kept](ablations.png)"
    return [*warnings, plot, Table(columns, cells, READING)]


def plot_ablations(table: pd.DataFrame) -> Figure:
    """Plots F1 against dense (line at 0) with paired intervals over the share of token-layers kept, by setting."""
    settings = list(table["setting"].unique())
    rows = -(-len(settings) // 2)
    figure, axes = new_figure(rows, 2, (WIDTH, 3.1 * rows + 0.5))
    colours = dict(zip(table["strategy"].unique(), cycle(("#0050a0", "#b35900", "#2e7d32", "#5b3f8c")), strict=False))
    marks = []
    for axis, setting in zip(axes.flat, settings, strict=False):
        axis.axhline(0, **DENSE_LINE)
        axis.set_title(setting, fontsize=10)
        axis.margins(0.15)
        axis.set_xlabel("share of token-layers kept", fontsize=9)
        own = table[table["setting"] == setting]
        by_strategy = own.groupby("strategy", sort=False)
        marks.append([mark for name, of in by_strategy for mark in _draw_values(axis, of, colours[name])])
    for axis in axes.flat[len(settings) :]:
        axis.axis("off")
    handles = [Line2D([], [], color=colour, marker="o", label=name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    figure.supylabel("F1 against dense (pp)", fontsize=9)
    figure.draw_without_rendering()
    for axis, own_marks in zip(axes.flat, marks, strict=False):
        write_labels(axis, own_marks)
    return figure


def _draw_values(axis: Axes, table: pd.DataFrame, colour: str) -> list[LabelledMark]:
    """Draws one strategy's values, joined by a line if they are numbers; values in the same place share a label."""
    table = table.sort_values("token_layers_kept")
    kept, difference = table["token_layers_kept"], table["difference"] * 100
    numeric = pd.to_numeric(table["value"], errors="coerce").notna().all()
    axis.plot(kept, difference, "o-" if numeric else "o", color=colour, linewidth=1, markersize=5)
    axis.vlines(kept, table["low"] * 100, table["high"] * 100, color=colour, linewidth=0.7)
    labels: dict[tuple[float, float], list[str]] = {}
    for x, y, value in zip(kept, difference, table["value"], strict=True):
        labels.setdefault((round(x, 3), round(y, 2)), []).append(value)
    return [(x, y, ", ".join(values), colour) for (x, y), values in labels.items()]
