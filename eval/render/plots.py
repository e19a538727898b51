"""Plots, as pure functions of the CSV files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.path import Path as MplPath
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

# Where a label may lie from its point, in typographic points, the nearest first.
_PLACES = sorted(
    product((10, -10, 40, -40, 80, -80), range(-160, 161, 8)), key=lambda place: abs(place[0]) + abs(place[1])
)

_SPEED = ("promised", "realised", "realised_low", "realised_high")
# Markers differ, so that colours are not needed.
_STYLES = {
    "dense": ("s", "#1b1b1b"),
    "hf": ("D", "#6f6f6f"),
    "rule": ("^", "#b35900"),
    "entropy": ("o", "#0050a0"),
    "mlp": ("P", "#006d5b"),
    "random": ("x", "#a02060"),
    "truncate": ("v", "#2e7d32"),  # the marker goes by the layer
    "hf-pipeline": ("*", "#7a5c00"),
    "onnx": ("h", "#5b3f8c"),
    "onnx-int8": ("p", "#5b3f8c"),
}
_LAYERS = "8Xdv>"  # markers of truncate-k, by k
_OTHER = ("<", "#7a5c00")
_DEEPEST = 0.06  # F1 below dense at which the axis ends, so that one outlier does not press all others together


def plot_f1_vs_latency(folder: Path, target: Path) -> None:
    """F1 against the time of a document, one panel for each batch size.

    From ``results.csv``, ``intervals.csv`` and ``times.csv``. Bars are 95 % intervals of the difference from dense; the
    dotted line joins what nothing beats in both, others the operating points of one strategy and ``truncate-k``. What
    is far below dense stands at the lower edge, with its F1.
    """
    results, intervals, times = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "intervals", "times"))
    sizes = sorted(results["batch_size"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(7 * len(sizes), 6.5), squeeze=False, sharey=True)
    first = results.iloc[0]
    panels = []
    for axis, size in zip(axes[0], sizes, strict=True):
        wall = times[times["batch_size"] == size].groupby("strategy", sort=False)["latency_ms"].sum()
        against = intervals[(intervals["batch_size"] == size) & (intervals["against"] == "dense")]
        table = against.set_index("strategy").assign(ms=wall / first["documents"])
        panels.append(_panel(axis, table))
        axis.set_title(f"batch size {size}")
    axes[0][0].set_ylabel("exact-span micro F1")
    figure.suptitle(
        f"{first['corpus']} {first['split']}, {first['documents']} documents; {first['device']}, "
        f"{first['threads']} threads, {first['dtype']}\nbars: 95 % of the difference from dense",
        fontsize=10,
    )
    figure.tight_layout()
    figure.canvas.draw()
    for axis, table in zip(axes[0], panels, strict=True):
        _label(axis, table)
    figure.savefig(target, dpi=150)
    plt.close(figure)


def pareto_line(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that no row beats, by growing ``ms``; ``f1`` grows, too."""
    ordered = table.sort_values(["ms", "f1"], ascending=[True, False])
    return ordered[ordered["f1"] > ordered["f1"].cummax().shift(fill_value=-1.0)]


def plot_speed_by_length(cost: Path, target: Path) -> None:
    """Speed-up that multiply-adds promise (dotted) and that the clock shows (with intervals), by length at batch 1.

    From ``cost.csv``, strategies that prune or stop early.
    """
    table = pd.read_csv(cost)
    table = table[(table["batch_size"] == table["batch_size"].min()) & ~table["strategy"].isin(["dense", "hf"])]
    table = table[(table["group"] != "all") | (table["batch_size"] != 1)]
    wide = table[table["measure"].isin(_SPEED)].pivot_table(
        index=["strategy", "group"], columns="measure", values="value", sort=False
    )
    figure, axis = plt.subplots(figsize=(9.4, 4.4))
    for name, of in wide.reindex(columns=list(_SPEED)).groupby("strategy", sort=False):
        marker, colour = _style(str(name))
        rows = of.droplevel("strategy")
        bars = [(rows["realised"] - rows["realised_low"]).clip(lower=0).fillna(0)]
        bars.append((rows["realised_high"] - rows["realised"]).clip(lower=0).fillna(0))
        fill = "none" if "+" in str(name) else colour
        axis.errorbar(rows.index, rows["realised"], bars, marker=marker, color=colour, mfc=fill, capsize=2, label=name)
        axis.plot(rows.index, rows["promised"], linestyle=":", marker=marker, color=colour, markersize=4, alpha=0.7)
    axis.axhline(1, color=_STYLES["dense"][1], linewidth=1, linestyle="-.", label="dense")
    axis.set_xlabel("length of the document (rows: word pieces, CLS, SEP)")
    axis.set_ylabel("speed-up against dense")
    axis.set_title("promised by multiply-adds (dotted) and realised", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    figure.savefig(target, dpi=150)
    plt.close(figure)


def plot_frontiers(frontiers: Mapping[str, pd.DataFrame], strategy: str, target: Path) -> None:
    """F1 lost against promised speed-up, one line for each frontier."""
    figure, axis = plt.subplots(figsize=(6.4, 4.4))
    styles = zip(("-", "--", ":", "-."), ("o", "s", "^", "v"), strict=True)
    for (name, table), (line, marker) in zip(frontiers.items(), cycle(styles), strict=False):
        axis.plot(table["f1_drop_points"], table["promised_speedup"], line, marker=marker, markersize=4, label=name)
    axis.set_xlim(left=-0.5, right=2)
    axis.set_xlabel("F1 lost against the same model's dense pass (points)")
    axis.set_ylabel("dense ÷ own multiply-adds")
    axis.set_title(f"{strategy}: what calibration found", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=150)
    plt.close(figure)


def _style(name: str) -> tuple[str, str]:
    """Marker and colour."""
    marker, colour = _STYLES.get(name) or _STYLES.get(re.split("[@:+-]", name)[0], _OTHER)
    layer = re.fullmatch(r"truncate-(\d+)", name)
    return _LAYERS[int(layer[1]) % len(_LAYERS)] if layer else marker, colour


def _family(name: str) -> str:
    """What operating points of one strategy, or depths of ``truncate-k``, have in common."""
    return re.sub(r":\w+$|(?<=^truncate)-\d+$", "", name)


def _panel(axis: Axes, table: pd.DataFrame) -> pd.DataFrame:
    """Draws the points of one batch size and gives them back with the ends of their bars."""
    dense = table.loc["dense"]
    # A percentile interval need not hold the value itself, and where there is none the bar is the point.
    table = table.assign(
        left=(dense["ms"] / table["speedup_high"]).fillna(table["ms"]).clip(upper=table["ms"]),
        right=(dense["ms"] / table["speedup_low"]).fillna(table["ms"]).clip(lower=table["ms"]),
        bottom=(dense["f1"] + table["low"]).clip(upper=table["f1"]),
        top=(dense["f1"] + table["high"]).clip(lower=table["f1"]),
    )
    best = pareto_line(table)
    floor = float(table["f1"]["dense"]) - _DEEPEST
    table = table.assign(
        below=table["f1"].where(table["f1"] < floor),
        **{column: table[column].clip(lower=floor) for column in ("f1", "bottom", "top")},
    )
    axis.plot(best["ms"], table["f1"][best.index], ":", color="#888888", zorder=1)
    for family, members in table.groupby(_family):
        ordered = members.sort_values("ms")
        axis.plot(ordered["ms"], ordered["f1"], color=_style(str(family))[1], linewidth=1, alpha=0.4, zorder=1)
    for name, row in table.iterrows():
        marker, colour = _style(str(name))
        axis.errorbar(
            row["ms"],
            row["f1"],
            xerr=[[row["ms"] - row["left"]], [row["right"] - row["ms"]]],
            yerr=[[row["f1"] - row["bottom"]], [row["top"] - row["f1"]]],
            linestyle="none",
            marker=marker,
            color=colour,
            markersize=8,
            markerfacecolor="none" if "+" in str(name) else colour,
            elinewidth=1,
            capsize=2,
        )
    axis.margins(0.2)
    axis.set_xlabel("time of a document, whole calls (ms)")
    axis.grid(alpha=0.3)
    return table


def _label(axis: Axes, table: pd.DataFrame) -> None:
    """Names every point, each where no other label, point or bar is in the way, as near as possible.

    Where it can be had, no line to a label runs through another label, nor through another point.
    """
    points = {str(name): (row["ms"], row["f1"]) for name, row in table.iterrows()}
    low, high = (axis.transData.transform(table[ends].to_numpy()) for ends in (["left", "bottom"], ["right", "top"]))
    at = axis.transData.transform(list(points.values()))
    markers = [Bbox.from_extents(x - 7, y - 7, x + 7, y + 7) for x, y in at]
    taken = [*markers]
    taken += [Bbox.from_extents(left, y, right, y) for (left, _), (right, _), (_, y) in zip(low, high, at, strict=True)]
    taken += [Bbox.from_extents(x, bottom, x, top) for (_, bottom), (_, top), (x, _) in zip(low, high, at, strict=True)]
    labels: list[Bbox] = []
    leaders: list[MplPath] = []
    for (name, point), place_of_point in zip(points.items(), at, strict=True):
        below = "" if pd.isna(table["below"][name]) else f", F1 {table['below'][name]:.3f}"
        label = axis.annotate(
            f"{name} {table['speedup'][name]:.2f}×{below}",
            point,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            color=_style(name)[1],
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.5},
        )
        others = [marker for marker in markers if not marker.contains(*place_of_point)]
        fewest, chosen = (2 * len(points), 0), _PLACES[-1]
        for place in _PLACES:
            box = _moved(label, place)
            inside = (
                axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 and axis.bbox.y0 <= box.y0 and box.y1 <= axis.bbox.y1
            )
            if not inside or any(box.overlaps(other) for other in taken):
                continue
            leader = _leader(place_of_point, box)
            through = sum(leader.intersects_bbox(other, filled=False) for other in labels)
            through += sum(other.intersects_bbox(box, filled=False) for other in leaders)
            crossed = through, sum(leader.intersects_bbox(other, filled=False) for other in others)
            if crossed < fewest:
                fewest, chosen = crossed, place
            if not any(crossed):
                break
        box = _moved(label, chosen)
        taken.append(box)
        labels.append(box)
        leaders.append(_leader(place_of_point, box))


def _moved(label: Annotation, place: tuple[int, int]) -> Bbox:
    """Moves a label to a place from its point and gives the box of its text, without its line."""
    label.xyann = place
    label.set(ha="left" if place[0] > 0 else "right", va="center")
    label.get_window_extent()  # moves the text
    return Text.get_window_extent(label)


def _leader(point: np.ndarray, box: Bbox) -> MplPath:
    """The line from a point to a label, which begins behind the label."""
    return MplPath([tuple(point), ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)])
