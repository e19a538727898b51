"""Plots as pure functions of the tables of a report.

They are legible at a width of 800 pixels, in grey, and on light and dark pages.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox
from PIL import Image

from eval.schema import BASELINE, CASCADE, DENSE, MODEL, TRUNCATE

WIDTH = 8.0  # inches, 800 pixels
PANELS = 4  # in a row
LABELS = 8  # most labels in a panel; more cannot be read at 800 pixels
WINDOW = 0.016  # most F1 above and below dense that the axis shows, so that an outlier does not squeeze the others
_BELOW, _ABOVE = 0.003, 0.002  # F1 that the axis shows beyond the marks, for their intervals
DENSE_LINE: dict[str, Any] = {"color": "#1b1b1b", "linewidth": 1, "linestyle": "-."}
_MARK = 16  # pixels around a mark that labels keep free
_CARD = "#fbfbf8"  # behind every plot, so that it can be read on a dark page as well
_STYLES = {  # marker and colour of each kind
    DENSE: ("s", "#1b1b1b"),
    "rule": ("^", "#b35900"),
    "entropy": ("o", "#0050a0"),
    "attention": ("p", "#8a3b8f"),
    "mlp": ("P", "#006d5b"),
    "cascade": ("D", "#0050a0"),
    "random": ("X", "#a02060"),
    "truncate": ("v", "#2e7d32"),
    BASELINE: ("*", "#7a5c00"),
    MODEL: ("<", "#5b3f8c"),
}
_OTHER = ("H", "#444444")
_FILLS = ("full", "none", "left", "bottom")  # of markers, by dtype
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)  # of a speed-up axis
_LINES = ("-", "--", ":", "-.")
CURVES: dict[Any, str] = {
    "point": "operating points",
    "lambda_": "λ",
    "layer": "layer",
}  # settings that are drawn, as shown

LabelledMark = tuple[float, float, str, str]  # x, y, label (may be empty), colour


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure and its axes ``(rows, columns)``, with a grid."""
    figure = Figure(figsize=size, facecolor=_CARD, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        axis.set_facecolor(_CARD)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_png(figure: Figure, file: Path, dpi: int = 100, colours: int = 32) -> None:
    """Writes a plot with a palette of few colours, which makes files a third as large and changes no look."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi)
    palette = Image.open(drawn).convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(file, optimize=True)


def write_labels(axis: Axes, marks: Sequence[LabelledMark]) -> None:
    """Writes labels beside their marks; the figure must be laid out."""
    style: dict[str, Any] = {"fontsize": 9, "in_layout": False, "zorder": 2.5}
    style["bbox"] = {"facecolor": _CARD, "edgecolor": "none", "alpha": 0.95, "pad": 0.5}
    texts = [axis.text(x, y, text, color=colour, **style) for x, y, text, colour in marks if text]
    places = axis.transData.transform([mark[:2] for mark in marks])
    avoided = [Bbox.from_bounds(x - _MARK / 2, y - _MARK / 2, _MARK, _MARK) for x, y in places]
    lines = {"arrowstyle": "-", "color": "#444444", "linewidth": 0.7, "alpha": 0.7, "zorder": 2.7}
    # A number of steps, not seconds: a busy machine would stop while labels overlap.
    adjust_text(texts, objects=avoided, ax=axis, expand=(1.05, 1.3), iter_lim=1000, arrowprops=lines)


def plot_f1_vs_latency(results: pd.DataFrame, intervals: pd.DataFrame) -> Figure:
    """Plots F1 against speed-up on a logarithmic axis, one panel per batch size with intervals.

    `to_label` says which variants have labels, and `f1_axis` which F1 the axis shows; others stand at its edge.
    The legend names the kinds, and says if some variants stand at an edge.
    """
    table = _with_intervals(results, intervals)
    dtypes = list(results["dtype"].unique())
    known = intervals.groupby("batch_size")["speedup_low"].any()  # where too few batches were timed, no ratio is shown
    sizes = [size for size in sorted(known.index) if known[size]] or [min(known.index)]
    figure, axes = new_figure(len(sizes), 1, (WIDTH, 3.5 * len(sizes) + 1.1))
    panels = [(axis, table[table["batch_size"] == size]) for axis, size in zip(axes.flat, sizes, strict=True)]
    marks = [_draw_panel(*panel) for panel in panels]
    at_edge = not all(of["f1"].between(*axis.get_ylim()).all() for axis, of in panels)
    axes[-1][0].set_xlabel("speed-up against dense, end-to-end (logarithmic)")
    handles = list(_legend(dtypes, table, at_edge=at_edge))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    figure.suptitle(_title(results), fontsize=10)
    figure.draw_without_rendering()
    for axis, own in zip(axes.flat, marks, strict=True):
        write_labels(axis, own)
    return figure


def _with_intervals(results: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """The variants with their styles and difference from dense."""
    dense = results.loc[results["kind"] == DENSE, "variant"].iloc[0]
    own = intervals.loc[intervals["against"] == dense, ["variant", "batch_size", "difference", "low", "high"]]
    table = results.merge(own, how="left", on=["variant", "batch_size"]).rename(columns={"speedup_vs_dense": "speedup"})
    return table.assign(
        style=table["variant"].map(styles(results)),
        recovers=table["prunes"] & table["variant"].str.contains("+recovery", regex=False),
    )


def _reference(variants: Sequence[Any]) -> Any:
    """Dense in the first dtype, whose speed-up is 1."""
    return min((one for one in variants if one.kind == DENSE), key=lambda one: abs(one.speedup - 1))


def frontier(variants: Sequence[Any]) -> list[Any]:
    """The variants that no other beats in both F1 and speed-up, the fastest first."""
    best: list[Any] = []
    for one in sorted(variants, key=lambda one: (-one.speedup, -one.f1)):
        if not best or one.f1 > best[-1].f1:
            best.append(one)
    return best


def to_label(variants: Sequence[Any]) -> list[Any]:
    """Chooses at most ``LABELS`` variants, the most important first: dense, the frontier, then the best baselines.

    The best baselines are those from outside that no other of them beats; then come the fastest of all. One that ran
    in several dtypes has a label in one of them, unless it is on the frontier in more.
    """
    dense = _reference(variants)
    chosen = [dense, *(one for one in frontier(variants) if one is not dense)]
    baselines = [one for one in variants if one.kind in (BASELINE, TRUNCATE, MODEL)]
    best = frontier([one for one in baselines if one.kind == BASELINE])
    for one in (*best, *sorted(baselines, key=lambda one: -one.speedup)):
        if one.variant.partition(" (")[0] not in (other.variant.partition(" (")[0] for other in chosen):
            chosen.append(one)
    return chosen[:LABELS]


def f1_axis(variants: Sequence[Any]) -> tuple[float, float]:
    """Lowest and highest F1 of the axis; variants beyond it stand at its edge, with their F1 in their label.

    Beside a cascade the axis shows all, so that it reaches from the small model to the large one.
    """
    centre = _reference(variants).f1
    cascade = any(one.kind == CASCADE for one in variants)
    inside = [one.f1 for one in variants if cascade or abs(one.f1 - centre) <= WINDOW]
    return min(inside) - _BELOW, max(inside) + _ABOVE


def _draw_panel(axis: Axes, table: pd.DataFrame) -> list[LabelledMark]:
    """Draws one batch size; returns the marks for `write_labels`."""
    rows: list[Any] = list(table.itertuples(index=False))
    low, high = f1_axis(rows)
    named = to_label(rows)
    axis.set_xscale("log")
    axis.set_xlim(min(row.speedup for row in rows) / 1.15, max(row.speedup for row in rows) * 1.6)
    axis.set_ylim(low, high)
    axis.set_xticks([tick for tick in _TICKS if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title(f"batch size {rows[0].batch_size}", fontsize=10, loc="left")
    axis.set_ylabel("F1 (exact spans)")
    axis.axvline(1, **DENSE_LINE)
    axis.axhline(named[0].f1, **DENSE_LINE)
    best = frontier(rows)
    axis.plot([row.speedup for row in best], [row.f1 for row in best], ":", color="#555555", linewidth=1.4, zorder=1)
    marks = []
    for row in [*named, *(row for row in rows if row not in named)]:  # the most important label first
        shown_f1 = min(max(row.f1, low), high)
        colour = row.style["color"]
        axis.plot(row.speedup, shown_f1, markersize=9, clip_on=False, linestyle="none", zorder=3, **row.style)
        if row.recovers:
            dot = colour if row.style["fillstyle"] == "none" else "white"
            axis.plot(row.speedup, shown_f1, ".", color=dot, markersize=5, zorder=3)
        name = ""
        if row in named:
            name = f"{row.variant} {row.speedup:.2f}×" + (f", F1 {row.f1:.3f}" if row.f1 != shown_f1 else "")
            ends = row.f1 - row.difference + row.low, row.f1 - row.difference + row.high
            axis.vlines(row.speedup, *ends, color=colour, linewidth=1, alpha=0.5, zorder=2)
        marks.append((row.speedup, shown_f1, name, colour))
    return marks


def _legend(dtypes: Sequence[str], table: pd.DataFrame, *, at_edge: bool) -> Iterator[Line2D]:
    for kind in table["kind"].unique():
        marker, colour = _STYLES.get(kind, _OTHER)
        yield Line2D([], [], marker=marker, color=colour, linestyle="none", markersize=8, label=kind)
    grey: dict[str, Any] = {"color": "#444444", "linestyle": "none", "markersize": 8}
    for dtype, fill in zip(dtypes, cycle(_FILLS), strict=False):
        if len(dtypes) > 1:
            look: dict[str, Any] = {"marker": "o", "fillstyle": fill, **grey}
            yield Line2D([], [], label=dtype, **look)
    if table["recovers"].any():
        yield Line2D([], [], marker="o", markerfacecolor="white", markeredgewidth=3, label="with recovery", **grey)
    yield Line2D([], [], color="#555555", linestyle=":", linewidth=1.4, label="Pareto frontier")
    yield Line2D([], [], color="#444444", marker="|", linestyle="none", markersize=10, label="95 % interval")
    if at_edge:
        yield Line2D([], [], linestyle="none", label="at an edge: F1 beyond it")


def _title(results: pd.DataFrame) -> str:
    first = results.iloc[0]
    timed = "" if first["timed_documents"] == first["documents"] else f" ({first['timed_documents']} timed)"
    documents = f"{first['corpus']} {first['split']}, {first['documents']} documents{timed}"
    return f"{documents}; {first['device']}, {first['threads']} threads"


def styles(results: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Marker, colour and fill of each variant of ``results.csv``, by name."""
    fills = dict(zip(results["dtype"].unique(), cycle(_FILLS), strict=False))
    by_name: dict[str, dict[str, Any]] = {}
    for name, kind, dtype in results[["variant", "kind", "dtype"]].itertuples(index=False, name=None):
        marker, colour = _STYLES.get(str(kind), _OTHER)
        by_name[name] = {"marker": marker, "color": colour, "fillstyle": fills[dtype]}
    return by_name


def plot_groups(groups: pd.DataFrame) -> Figure:
    """Plots F1 against dense in every group, with intervals, one panel per strategy; from ``subgroups.csv``."""
    names = groups.drop_duplicates(["dimension", "group"])[["dimension", "group"]]
    figure, axes = _panels(groups, 0.19 * len(names) + 0.7)
    for number, (axis, variant) in enumerate(axes.items()):
        of = names.merge(groups[groups["variant"] == variant], how="left")
        rows = range(len(of))
        axis.hlines(rows, of["low"] * 100, of["high"] * 100, color="#6f6f6f", linewidth=1.2)
        axis.plot(of["difference"] * 100, rows, "o", color="#0050a0", markersize=4)
        axis.axvline(0, **DENSE_LINE)
        axis.grid(visible=False, axis="y")
        shown = [f"{d}: {g}" if number % PANELS == 0 else "" for d, g in names.itertuples(index=False)]
        axis.set_yticks(rows, shown, fontsize=8)
        axis.invert_yaxis()
    figure.supxlabel("F1 against dense (pp)", fontsize=9)
    return figure


def plot_exits(exits: pd.DataFrame) -> Figure:
    """Plots the share of words exited by each layer, per gold label, one panel per strategy; from ``exits.csv``."""
    figure, axes = _panels(exits, 2.2)
    ticks = sorted(exits["layer"].unique())
    for axis, variant in axes.items():
        of = exits[exits["variant"] == variant]
        styled = zip(of.groupby("gold", sort=False), cycle(_LINES), cycle("os^vDx"), strict=False)
        for (label, one), line, marker in styled:
            axis.plot(one["layer"], one["share_exited"].cumsum(), line, marker=marker, markersize=4, label=label)
        axis.set_xticks(ticks)
        axis.set_xlabel("layer", fontsize=8)
        axis.set(xlim=(ticks[0] - 0.3, ticks[-1] + 0.3), ylim=(-0.03, 1.03))
    figure.supylabel("share of words that have exited", fontsize=9)
    handles, names = next(iter(axes)).get_legend_handles_labels() if axes else ([], [])
    figure.legend(handles, names, loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    return figure


def plot_f1_vs_computation(ablations: pd.DataFrame) -> Figure:
    """Plots F1 against the share of computation: all operating points, layers to stop at, and λ as a curve.

    From ``ablations.csv``.
    """
    figure, ((axis,),) = new_figure(1, 1, (WIDTH, 5.5))
    dense = ablations[ablations["strategy"] == DENSE].iloc[0]
    curves = ablations[ablations["setting"].isin(CURVES)].groupby(["strategy", "setting"], sort=False)
    marks: list[LabelledMark] = []
    for number, ((strategy, setting), rows) in enumerate(curves):
        marker, colour = _STYLES.get(str(strategy).partition("+")[0], _OTHER)
        fill = "none" if "+" in str(strategy) else "full"
        points = [*rows[["computation", "f1"]].itertuples(index=False, name=None)]
        name = f"{strategy}, {CURVES[setting]}"
        axis.plot(
            *zip(*points, strict=True), _LINES[number % 4], marker=marker, color=colour, fillstyle=fill, label=name
        )
        texts = [value if setting == "point" else f"{CURVES[setting]} {value}" for value in rows["value"]]
        if setting == "lambda_":  # its marks lie close together
            texts[1:-1] = [""] * len(texts[1:-1])
        marks += [(*point, text, colour) for point, text in zip(points, texts, strict=True)]
    axis.plot(dense["computation"], dense["f1"], "s", color="#1b1b1b", label="dense")
    axis.axhline(dense["f1"], **DENSE_LINE)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    low = ablations.loc[ablations["setting"].isin(CURVES), "f1"].clip(lower=dense["f1"] - 2 * WINDOW).min()
    axis.set_ylim(low - _BELOW, max(ablations["f1"].max(), dense["f1"]) + _ABOVE)
    axis.set_xlabel("computation, share of the MACs of dense")
    axis.set_ylabel("F1 (exact spans)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.draw_without_rendering()
    write_labels(axis, [mark for mark in marks if mark[1] >= axis.get_ylim()[0]])
    return figure


def _panels(table: pd.DataFrame, height: float) -> tuple[Figure, dict[Axes, str]]:
    """A figure with a panel for each strategy but dense."""
    variants = [str(name) for name in table.loc[table["kind"] != DENSE, "variant"].unique()]
    rows = -(-max(len(variants), 1) // PANELS)
    figure, axes = new_figure(rows, min(max(len(variants), 1), PANELS), (WIDTH, height * rows + 0.6))
    for axis in axes.flat[len(variants) :]:
        axis.axis("off")
    for axis, variant in zip(axes.flat, variants, strict=False):
        axis.set_title(variant.replace(" (", "\n("), fontsize=9)  # a dtype has a line of its own
        axis.tick_params(labelsize=8)
    return figure, dict(zip(axes.flat, variants, strict=False))
