"""Plots as pure functions of the tables of a report.

They are legible at a width of 800 pixels, in grey, and on light and dark pages.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from PIL import Image

from engine.corpora import sample_title
from eval.render.text import per_call
from eval.schema import BASELINE, DENSE, MODEL, NO_PARTNER

WIDTH = 8.0  # inches, 800 pixels
PANELS = 4  # in a row
WINDOW = 0.016  # most F1 above and below the reference that the axis shows, so that no outlier squeezes the others
_BELOW, _ABOVE = 0.003, 0.008  # F1 that the axis shows beyond the marks, for intervals and labels
REFERENCE_LINE: dict[str, Any] = {"color": "#1b1b1b", "linewidth": 1, "linestyle": "-."}
_MARK = 16  # pixels around a mark that labels keep free
NARROW = 24  # characters in a line of a label
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
_FILLS = ("full", "none", "left", "bottom")  # of markers, by dtype
_LINES = ("-", "--", ":", "-.")
CURVES = {  # settings in a panel → its title
    ("point", "layer"): "operating points of each strategy, and layers to stop at",
    ("lambda_",): "λ: the larger, the more words exit",
}

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


def with_labels(figure: Figure, axes: np.ndarray, marks: Sequence[Sequence[LabelledMark]]) -> Figure:
    """Lays a figure out and writes labels beside the marks of each of its axes."""
    figure.draw_without_rendering()
    style: dict[str, Any] = {"fontsize": 9, "in_layout": False, "zorder": 2.5}
    style["bbox"] = {"facecolor": _CARD, "edgecolor": "none", "alpha": 0.95, "pad": 0.5}
    lines = {"arrowstyle": "-", "color": "#444444", "linewidth": 0.7, "alpha": 0.7, "zorder": 2.7}
    for axis, points in zip(axes.flat, marks, strict=True):
        texts = [axis.text(x, y, text, color=colour, **style) for x, y, text, colour in points if text]
        places = axis.transData.transform([mark[:2] for mark in points])
        avoided = [Bbox.from_bounds(x - _MARK / 2, y - _MARK / 2, _MARK, _MARK) for x, y in places]
        # A number of steps, not seconds: a busy machine would stop while labels overlap.
        forces: dict[str, Any] = {"force_text": (0.2, 0.5), "force_static": (0.2, 0.5), "explode_radius": 40}
        adjust_text(texts, objects=avoided, ax=axis, expand=(1.15, 1.8), iter_lim=1000, arrowprops=lines, **forces)
    return figure


def plot_f1_vs_latency(
    results: pd.DataFrame, intervals: pd.DataFrame, reference: str, names: Mapping[str, str]
) -> Figure:
    """Plots F1 against speed-up on a logarithmic axis, one panel per batch size with intervals.

    ``reference``: the variant whose speed is 1 and with whose F1 all is compared. ``names``: labels by variant.
    """
    compared = ["variant", "batch_size", "difference", "low", "high", "speedup"]
    pairs = intervals.loc[intervals["against"] == reference, compared]
    rows = results.merge(pairs, how="left", on=["variant", "batch_size"])
    fills = dict(zip(rows["dtype"].unique(), cycle(_FILLS), strict=False))
    sizes = sorted(rows["batch_size"].unique())
    figure, axes = new_figure(len(sizes), 1, (WIDTH, 3.5 * len(sizes) + 1.1))
    panels = [rows[rows["batch_size"] == size] for size in sizes]
    marks = [_draw_panel(axis, panel, fills, reference, names) for axis, panel in zip(axes.flat, panels, strict=True)]
    axes[-1][0].set_xlabel(f"times as fast as {names.get(reference, reference)}, end to end")
    handles = list(_legend(rows["kind"].unique(), fills))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    first = results.iloc[0]
    timed = "" if first["timed_documents"] == first["documents"] else f" ({first['timed_documents']} timed)"
    documents = f"{sample_title(first['corpus'], first['split'])}, {first['documents']} documents{timed}"
    figure.suptitle(f"{documents}; {first['device']}, {first['threads']} threads", fontsize=10)
    return with_labels(figure, axes, marks)


def _draw_panel(
    axis: Axes, table: pd.DataFrame, fills: Mapping[str, str], reference: str, names: Mapping[str, str]
) -> list[LabelledMark]:
    """Draws one batch size; returns the marks for `with_labels`. ``fills``: of markers, by dtype.

    The axis shows F1 of what has a label, and near the reference's. Variants beyond it stand at its edge.
    """
    rows: list[Any] = list(table.itertuples(index=False))
    (origin,) = [row for row in rows if row.variant == reference]
    shown = [row.f1 for row in rows if row.variant in names or abs(row.f1 - origin.f1) <= WINDOW]
    low, high = min(shown) - _BELOW, max(shown) + _ABOVE
    axis.set_xscale("log")
    axis.set_xlim(min(row.speedup for row in rows) / 1.15, max(row.speedup for row in rows) * 3)
    axis.set_ylim(low, high)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title(per_call(rows[0].batch_size), fontsize=10, loc="left")
    axis.set_ylabel("F1 (exact spans)")
    axis.axvline(1, **REFERENCE_LINE)
    axis.axhline(origin.f1, **REFERENCE_LINE)
    marks = []
    for row in sorted(rows, key=lambda row: list(names).index(row.variant) if row.variant in names else len(names)):
        shown_f1 = min(max(row.f1, low), high)
        look = _look(row.kind, fills[row.dtype])
        axis.plot(row.speedup, shown_f1, markersize=9, clip_on=False, linestyle="none", zorder=3, **look)
        label = ""
        if row.variant in names:
            label = textwrap.fill(f"{names[row.variant]}, {row.speedup:.1f}×", NARROW)
            interval = row.f1 - row.difference + row.low, row.f1 - row.difference + row.high
            axis.vlines(row.speedup, *interval, color=look["color"], linewidth=1, alpha=0.5, zorder=2)
        marks.append((row.speedup, shown_f1, label, look["color"]))
    return marks


def _legend(kinds: Iterable[str], fills: Mapping[str, str]) -> Iterator[Line2D]:
    """Explains kinds of variants, dtypes if there are several, and lines."""
    for kind in kinds:
        yield Line2D([], [], linestyle="none", markersize=8, label=kind, **_look(kind))
    grey: dict[str, Any] = {"color": "#444444", "linestyle": "none"}
    for dtype, fill in fills.items() if len(fills) > 1 else ():
        yield Line2D([], [], marker="o", markersize=8, label=dtype, **grey | {"fillstyle": fill})
    yield Line2D([], [], marker="|", markersize=10, label="95 % interval", **grey)


def _look(kind: str, fill: str = "full") -> dict[str, Any]:
    """How the mark of a kind of variants looks."""
    marker, colour = _STYLES.get(kind, ("H", "#444444"))
    return {"marker": marker, "color": colour, "fillstyle": fill}


def plot_groups(groups: pd.DataFrame) -> Figure:
    """Plots F1 against dense in every group, with intervals, one panel per strategy; from ``subgroups.csv``."""
    names = groups.drop_duplicates(["dimension", "group"])[["dimension", "group"]]
    figure, axes = _panels(groups, 0.19 * len(names) + 0.7)
    for number, (axis, variant) in enumerate(axes.items()):
        table = names.merge(groups[groups["variant"] == variant], how="left")
        rows = range(len(table))
        axis.hlines(rows, table["low"] * 100, table["high"] * 100, color="#6f6f6f", linewidth=1.2)
        axis.plot(table["difference"] * 100, rows, "o", color="#0050a0", markersize=4)
        axis.axvline(0, **REFERENCE_LINE)
        axis.grid(visible=False, axis="y")
        shown = [f"{d}: {g}" if number % PANELS == 0 else "" for d, g in names.itertuples(index=False)]
        axis.set_yticks(rows, shown, fontsize=8)
        axis.invert_yaxis()
    figure.supxlabel("F1 against dense (pp)", fontsize=9)
    return figure


def plot_confusion(confusion: pd.DataFrame) -> Figure:
    """Plots as what the mentions of each gold type are found, in shares; from a variant's rows of ``confusion.csv``.

    Predictions without a mention are left out.
    """
    counts = confusion.pivot_table("count", "gold", "predicted", sort=False).drop(NO_PARTNER)
    counts = counts[[*counts.index, NO_PARTNER]]
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    rows, columns = shares.shape
    figure, ((axis,),) = new_figure(1, 1, (1.4 + 0.8 * columns, 0.9 + 0.45 * rows))
    axis.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(shares.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{shares[row, column]:.1%}"
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axis.grid(visible=False)
    axis.set_xticks(range(columns), [*counts.index, "missed"], fontsize=8)
    axis.set_yticks(range(rows), counts.index, fontsize=8)
    axis.set_xlabel("found as", fontsize=9)
    axis.set_ylabel("gold", fontsize=9)
    return figure


def plot_exits(exits: pd.DataFrame) -> Figure:
    """Plots the share of words exited by each layer, per gold label, one panel per strategy; from ``exits.csv``."""
    figure, axes = _panels(exits, 2.2)
    ticks = sorted(exits["layer"].unique())
    for axis, variant in axes.items():
        labels = exits[exits["variant"] == variant].groupby("gold", sort=False)
        for (label, rows), line, marker in zip(labels, cycle(_LINES), cycle("os^vDx"), strict=False):
            axis.plot(rows["layer"], rows["share_exited"].cumsum(), line, marker=marker, markersize=4, label=label)
        axis.set_xticks(ticks)
        axis.set_xlabel("layer", fontsize=8)
        axis.set(xlim=(ticks[0] - 0.3, ticks[-1] + 0.3), ylim=(-0.03, 1.03))
    figure.supylabel("share of words that have exited", fontsize=9)
    lines = next(iter(axes)).get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    return figure


def plot_f1_vs_computation(ablations: pd.DataFrame) -> Figure:
    """Plots F1 against the share of computation: operating points and layers to stop at, below them λ as a curve.

    From ``ablations.csv``. An F1 far below that of dense is beyond the axis.
    """
    curves = [ablations[ablations["setting"].isin(settings)] for settings in CURVES]
    figure, axes = new_figure(len(CURVES), 1, (WIDTH, 8))
    dense = ablations[ablations["strategy"] == DENSE].iloc[0]
    near = pd.concat(curves)["f1"]
    low = near[near > dense["f1"] - WINDOW].min() - _BELOW
    marks: list[list[LabelledMark]] = []
    for axis, rows, title in zip(axes.flat, curves, CURVES.values(), strict=True):
        axis.axhline(dense["f1"], **REFERENCE_LINE)
        axis.plot(dense["computation"], dense["f1"], "s", color="#1b1b1b")
        axis.set(ylim=(low, max(near.max(), dense["f1"]) + _ABOVE), ylabel="F1 (exact spans)")
        axis.set_title(title, fontsize=10, loc="left")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
        marks.append([(dense["computation"], dense["f1"], "dense", "#1b1b1b")])
        for number, (strategy, curve) in enumerate(rows.groupby("strategy", sort=False)):
            kind, plus, _ = str(strategy).partition("+")
            look = _look(kind, "none" if plus else "full")
            axis.plot(curve["computation"], curve["f1"], _LINES[number % 4], label=strategy, **look)
            axis.plot(curve["computation"], curve["f1"], linestyle="none", zorder=3, **look)  # above the labels
            for row in curve.to_dict("records"):
                # Of a strategy's operating points the fastest has its name; every layer and λ has its number.
                name = str(strategy) if row["value"] == "fast" else ""
                text = {"point": name, "layer": f"layer {row['value']}"}.get(row["setting"], row["value"])
                if row["f1"] >= low:
                    marks[-1].append((row["computation"], row["f1"], text, look["color"]))
        axis.set_xlim(left=min(mark[0] for mark in marks[-1]) - 0.03)
        axis.legend(loc="lower right", ncols=2, fontsize=9, frameon=False)
    axes[-1][0].set_xlabel("computation, share of the MACs of dense")
    return with_labels(figure, axes, marks)


def _panels(table: pd.DataFrame, height: float) -> tuple[Figure, dict[Axes, str]]:
    """A figure with a panel for each variant."""
    variants = list(map(str, table["variant"].unique()))
    rows = -(-len(variants) // PANELS)
    figure, axes = new_figure(rows, min(len(variants), PANELS), (WIDTH, height * rows + 0.6))
    for axis in axes.flat[len(variants) :]:
        axis.axis("off")
    for axis, variant in zip(axes.flat, variants, strict=False):
        axis.set_title(variant.replace(" (", "\n("), fontsize=9)  # a dtype has a line of its own
        axis.tick_params(labelsize=8)
    return figure, dict(zip(axes.flat, variants, strict=False))
