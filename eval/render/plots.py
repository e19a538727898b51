"""Plots, as pure functions of the tables; legible in grey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from eval.render.files import labelled, records, reference
from eval.schema import ALL, BASELINE, DENSE, HF, MEASURED, MEASURED_HIGH, MEASURED_LOW, MODEL, SPEEDUPS, THEORETICAL

LOST = "F1 or agreement lost against the same model's dense pass"  # the card says which one calibration used
DENSE_LINE: dict[str, Any] = {"color": "#1b1b1b", "linewidth": 1, "linestyle": "-."}
# Markers differ, so colours are not needed: one per kind, or one per member of it.
_STYLES = {
    DENSE: ("s", "#1b1b1b"),
    HF: ("D", "#6f6f6f"),
    "rule": ("^", "#b35900"),
    "entropy": ("o", "#0050a0"),
    "mlp": ("P", "#006d5b"),
    "random": ("x", "#a02060"),
    "truncate": ("vX8d>", "#2e7d32"),
    BASELINE: ("*hp1234+", "#7a5c00"),
    MODEL: ("<", "#5b3f8c"),
}
_OTHER = ("H", "#444444")
_DRAWN = ["f1", "low", "high", "speedup", "speedup_low", "speedup_high"]  # of ``intervals.csv``
_FILLS = ("full", "left", "bottom", "top")  # of markers, by dtype
_DEEPEST = 0.06  # F1 below dense at which the axis ends, so one outlier does not squeeze the others
_APART = 8.0  # pixels between the points of a line that labels avoid
# For adjust_text, found by trial: strong enough to separate a crowd of 17 labels within seconds.
_FORCES: dict[str, Any] = {
    "force_text": (0.5, 0.8),
    "force_static": (0.5, 1.0),
    "force_explode": (1.0, 3.0),
    "max_move": (30, 30),
    "force_pull": (0.0, 0.0),
    "expand": (1.15, 2.0),
    "iter_lim": 200,
}


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure and its axes ``(rows, columns)``, with a grid and a common y axis in each row."""
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey="row" if rows == 1 else False)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    return figure, axes


def place_labels(figure: Figure) -> None:
    """Lays out the figure and moves its texts away from each other and from everything drawn."""
    figure.tight_layout()
    figure.draw_without_rendering()
    for axis in figure.axes:
        if not axis.texts:
            continue
        x, y = axis.transData.inverted().transform(_drawn(axis)).T
        line = {"arrowstyle": "-", "color": "#888888", "linewidth": 0.5}
        adjust_text(list(axis.texts), x, y, ax=axis, arrowprops=line, **_FORCES)


def _drawn(axis: Axes) -> np.ndarray:
    """Points ``(n, 2)`` on the canvas, ``_APART`` from each other, along all lines and markers of the axes."""
    paths = [(line.get_path().transformed(line.get_transform()), line.get_linestyle()) for line in axis.lines]
    for collection in axis.collections:
        paths += [(path.transformed(collection.get_transform()), "-") for path in collection.get_paths()]
    places = [part for path, style in paths for part in _along(path, joined=style not in ("None", "none", ""))]
    return np.unique(np.round(np.concatenate(places) / _APART), axis=0) * _APART if places else np.zeros((0, 2))


def _along(path: Path, *, joined: bool) -> list[np.ndarray]:
    corners = np.asarray(path.vertices)
    if not joined:
        return [corners]
    steps = ((one, other, int(np.hypot(*(other - one)) / _APART) + 2) for one, other in pairwise(corners))
    return [corners, *(np.linspace(one, other, count) for one, other, count in steps)]


def plot_f1_vs_latency(results: pd.DataFrame, intervals: pd.DataFrame, times: pd.DataFrame) -> Figure:
    """Plots F1 against time per document, one panel per batch size.

    Bars are 95 % intervals of the difference from dense; the dotted line is the Pareto frontier, others join the
    operating points of one strategy or the depths of ``truncate``. Variants far below dense are at the lower edge,
    with their F1.

    Args:
        results: ``results.csv``.
        intervals: ``intervals.csv``.
        times: ``times.csv``.
    """
    results, intervals, times = (labelled(table, results) for table in (results, intervals, times))
    dense = reference(records(results))
    sizes = sorted(results["batch_size"].unique())
    figure, axes = new_figure(1, len(sizes), (8.8 * len(sizes), 8.2))
    first = results.iloc[0]
    for axis, size in zip(axes[0], sizes, strict=True):
        wall = times[times["batch_size"] == size].groupby("label", sort=False)["latency_ms"].sum()
        against = intervals[(intervals["batch_size"] == size) & (intervals["against_label"] == dense)]
        own = results[results["batch_size"] == size].set_index("label")[["strategy", "kind", "dtype", "family"]]
        table = against.set_index("label")[_DRAWN].assign(ms=wall / first["timed_documents"]).join(own)
        _panel(axis, table, dense, styles(results))
        axis.set_title(f"batch size {size}")
    axes[0][0].set_ylabel("exact-span micro F1")
    timed = "" if first["timed_documents"] == first["documents"] else f" ({first['timed_documents']} timed)"
    figure.suptitle(
        f"{first['corpus']} {first['split']}, {first['documents']} documents{timed}; {first['device']}, "
        f"{first['threads']} threads, {', '.join(results['dtype'].unique())}\n"
        "bars: 95 % intervals of the difference from dense",
        fontsize=10,
    )
    place_labels(figure)
    return figure


def pareto_line(table: pd.DataFrame) -> pd.DataFrame:
    """The Pareto-optimal rows, ascending in both ``ms`` and ``f1``."""
    ordered = table.sort_values(["ms", "f1"], ascending=[True, False])
    return ordered[ordered["f1"] > ordered["f1"].cummax().shift(fill_value=-1.0)]


def styles(results: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Marker, colour and fill of each variant of ``results.csv``, by label if the table is `labelled`.

    Hollow if words are recovered; half filled if a strategy runs in another dtype than the first.
    """
    results = results if "label" in results else results.assign(label=results["strategy"], dtype="")
    found: dict[str, dict[str, Any]] = {}
    fills = dict(zip(results["dtype"].unique(), cycle(_FILLS), strict=False))
    members = results.drop_duplicates("label")
    for kind, of in members.groupby("kind", sort=False):
        markers, colour = _STYLES.get(str(kind), _OTHER)
        marker = dict(zip(of["strategy"].unique(), cycle(markers), strict=False))
        for label, name, family, prunes, dtype in of[["label", "strategy", "family", "prunes", "dtype"]].itertuples(
            index=False, name=None
        ):
            own: dict[str, Any] = {"marker": marker[name], "color": colour, "markerfacecolor": colour}
            if prunes and family != kind:
                own["markerfacecolor"] = "none"
            elif label != name and fills[dtype] != "full":
                own |= {"fillstyle": fills[dtype], "markerfacecoloralt": "white"}
            found[label] = own
    return found


def _panel(axis: Axes, table: pd.DataFrame, dense: str, style: Mapping[str, Mapping[str, Any]]) -> None:
    """Draws and labels the variants of one batch size; those without F1 are lines."""
    of_dense: dict[str, Any] = {str(key): value for key, value in table.loc[dense].items()}
    for name, row in table[table["f1"].isna()].iterrows():
        axis.axvline(row["ms"], linewidth=1, linestyle="--", color=style[str(name)]["color"])
        axis.text(row["ms"], of_dense["f1"], f"{name} {row['speedup']:.2f}×, speed only", fontsize=8)
    table = table[table["f1"].notna()]
    # A percentile interval need not contain the value itself; without an interval, the bar has no length.
    table = table.assign(
        left=(of_dense["ms"] / table["speedup_high"]).fillna(table["ms"]).clip(upper=table["ms"]),
        right=(of_dense["ms"] / table["speedup_low"]).fillna(table["ms"]).clip(lower=table["ms"]),
        bottom=(of_dense["f1"] + table["low"]).fillna(table["f1"]).clip(upper=table["f1"]),
        top=(of_dense["f1"] + table["high"]).fillna(table["f1"]).clip(lower=table["f1"]),
    )
    best = pareto_line(table)
    floor = float(of_dense["f1"]) - _DEEPEST
    deep = table["f1"].map("{:.3f}".format).where(table["f1"] < floor, "")
    shown = table.assign(deep=deep, **{column: table[column].clip(lower=floor) for column in ("f1", "bottom", "top")})
    axis.plot(best["ms"], shown["f1"][best.index], ":", color="#888888", zorder=1)
    for _, members in shown.groupby(["family", "dtype"]):
        ordered = members.sort_values("ms")
        colour = style[str(ordered.index[0])]["color"]
        axis.plot(ordered["ms"], ordered["f1"], color=colour, linewidth=1, alpha=0.4, zorder=1)
    for name, row in shown.iterrows():
        across = [[row["ms"] - row["left"]], [row["right"] - row["ms"]]]
        along = [[row["f1"] - row["bottom"]], [row["top"] - row["f1"]]]
        own = style[str(name)]
        bars: dict[str, Any] = {"yerr": along, "xerr": across, "linestyle": "none", "elinewidth": 1, "capsize": 2}
        axis.errorbar(row["ms"], row["f1"], markersize=8, **bars, **own)
        label = f"{name} {row['speedup']:.2f}×" + (f", F1 {row['deep']}" if row["deep"] else "")
        axis.text(row["ms"], row["f1"], label, fontsize=8, color=own["color"])
    axis.margins(x=0.2, y=0.3)
    axis.set_xlabel("time of a document, end-to-end (ms)")


def plot_speed_by_length(cost: pd.DataFrame, results: pd.DataFrame) -> Figure:
    """Plots theoretical (dotted) and measured speed-up (with intervals) over length, batch 1.

    Args:
        cost: rows of ``cost.csv`` in one dtype; dense and ``hf`` are not drawn.
        results: ``results.csv``, in all dtypes, so that styles match `plot_f1_vs_latency`.
    """
    own = styles(results)
    kinds = dict(results[["strategy", "kind"]].itertuples(index=False, name=None))
    table = cost[(cost["batch_size"] == cost["batch_size"].min()) & ~cost["strategy"].map(kinds).isin([DENSE, HF])]
    table = table[(table["group"] != ALL) | (table["batch_size"] != 1)]
    wide = table[table["measure"].isin(SPEEDUPS)].pivot_table(
        index=["strategy", "group"], columns="measure", values="value", sort=False
    )
    lines: dict[str, Iterator[str]] = defaultdict(lambda: cycle(("-", "--", "-.")))  # of strategies of a kind
    figure, ((axis,),) = new_figure(1, 1, (9.4, 4.4))
    for name, of in wide.reindex(columns=list(SPEEDUPS)).groupby("strategy", sort=False):
        rows, style = of.droplevel("strategy"), own[str(name)]
        bars = [(rows[MEASURED] - rows[MEASURED_LOW]).clip(lower=0).fillna(0)]
        bars.append((rows[MEASURED_HIGH] - rows[MEASURED]).clip(lower=0).fillna(0))
        line = next(lines[kinds[str(name)]])
        axis.errorbar(rows.index, rows[MEASURED], bars, capsize=2, label=name, linestyle=line, **style)
        axis.plot(rows.index, rows[THEORETICAL], linestyle=":", markersize=4, alpha=0.7, **style)
    axis.axhline(1, label=DENSE, **DENSE_LINE)
    axis.set_xlabel("length of the document (rows: word pieces, CLS, SEP)")
    axis.set_ylabel("speed-up against dense")
    axis.set_title("theoretical (dotted) and measured", fontsize=10)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=4)
    figure.tight_layout()
    return figure


def plot_frontiers(frontiers: Mapping[str, pd.DataFrame], strategy: str) -> Figure:
    """Plots theoretical speed-up over loss against dense, one line per ``frontier.csv``."""
    figure, ((axis,),) = new_figure(1, 1, (6.4, 4.4))
    lines = zip(("-", "--", ":", "-."), ("o", "s", "^", "v"), strict=True)
    for (name, table), (line, marker) in zip(frontiers.items(), cycle(lines), strict=False):
        axis.plot(table["f1_drop_points"], table["theoretical_speedup"], line, marker=marker, markersize=4, label=name)
    axis.set_xlabel(f"{LOST} (points)")
    axis.set_ylabel("theoretical speed-up (dense ÷ own MACs)")
    axis.set_title(f"{strategy}: what calibration found", fontsize=10)
    axis.legend()
    figure.tight_layout()
    return figure


def plot_groups(groups: pd.DataFrame) -> Figure:
    """Plots F1 against dense in every group, with intervals, one panel per strategy; from ``subgroups.csv``."""
    strategies = _strategies(groups)
    names = groups.drop_duplicates(["dimension", "group"])[["dimension", "group"]]
    figure, axes = new_figure(1, max(len(strategies), 1), (3.2 * len(strategies) + 2.2, 0.24 * len(names) + 1.2))
    for axis, strategy in zip(axes[0], strategies, strict=False):
        of = names.merge(groups[groups["strategy"] == strategy], how="left")
        rows = range(len(of))
        axis.hlines(rows, of["low"] * 100, of["high"] * 100, color="#6f6f6f", linewidth=1.2)
        axis.plot(of["difference"] * 100, rows, "o", color="#0050a0", markersize=4)
        axis.axvline(0, **DENSE_LINE)
        axis.set_title(strategy, fontsize=10)
        axis.set_xlabel("F1 against dense (points)")
        axis.grid(visible=False, axis="y")
    axes[0][0].set_yticks(range(len(names)), [f"{d}: {g}" for d, g in names.itertuples(index=False)], fontsize=8)
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    return figure


def plot_exits(exits: pd.DataFrame) -> Figure:
    """Plots the share of words exited by each layer, per gold label, one panel per strategy; from ``exits.csv``."""
    strategies = _strategies(exits)
    figure, axes = new_figure(1, max(len(strategies), 1), (3.4 * max(len(strategies), 1), 3.2))
    for axis, strategy in zip(axes[0], strategies, strict=False):
        of = exits[exits["strategy"] == strategy]
        styled = zip(of.groupby("label", sort=False), cycle(("-", "--", ":", "-.")), cycle("os^vDx"), strict=False)
        for (label, one), line, marker in styled:
            axis.plot(one["layer"], one["share_exited"].cumsum(), line, marker=marker, markersize=4, label=label)
        axis.set_title(strategy, fontsize=10)
        axis.set_xlabel("layer")
        axis.set_xticks(sorted(of["layer"].unique()))
        axis.set_ylim(-0.02, 1.02)
    axes[0][0].set_ylabel("share of words that have exited")
    if strategies:
        axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    return figure


def _strategies(table: pd.DataFrame) -> Sequence[str]:
    return [name for name in table["strategy"].unique() if name != DENSE]
