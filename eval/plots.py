"""Plots, as pure functions of the CSV files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

_MARKERS = {"dense": "s", "hf": "D", "rule": "^", "entropy": "o", "random": "x"}
_COLOURS = {"dense": "#1b1b1b", "hf": "#6f6f6f", "rule": "#b35900", "entropy": "#0050a0", "random": "#a02060"}


def plot_f1_vs_latency(results: Path, target: Path) -> None:
    """F1 against median latency of a call, one panel for each batch size, from ``results.csv``."""
    table = pd.read_csv(results)
    sizes = sorted(table["batch_size"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(5.2 * len(sizes), 4.4), squeeze=False, sharey=True)
    for axis, size in zip(axes[0], sizes, strict=True):
        _panel(axis, table[table["batch_size"] == size])
        axis.set_title(f"batch size {size}")
    first = table.iloc[0]
    axes[0][0].set_ylabel("exact-span micro F1")
    figure.suptitle(
        f"{first['corpus']} {first['split']}, {first['documents']} documents; "
        f"{first['device']}, {first['threads']} threads, {first['dtype']}",
        fontsize=10,
    )
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


def _panel(axis: Axes, table: pd.DataFrame) -> None:
    width = table["latency_ms_median"].max() * 1.35 - table["latency_ms_median"].min() * 0.85
    line = 0.06 * max(table["f1"].max() - table["f1"].min(), 0.01)
    placed: list[tuple[float, float]] = []
    for _, row in table.sort_values("f1", ascending=False).iterrows():
        base = str(row["strategy"]).partition("@")[0]
        colour = _COLOURS.get(base, "#2e7d32")
        point = (row["latency_ms_median"], row["f1"])
        x, y = point[0] + 0.03 * width, point[1]
        # A label goes down until no label beside it is in the way.
        while any(abs(x - other_x) < 0.27 * width and abs(y - other_y) < line for other_x, other_y in placed):
            y -= line / 4
        placed.append((x, y))
        axis.plot(*point, _MARKERS.get(base, "v"), color=colour, markersize=8)
        axis.annotate(
            f"{row['strategy']} {row['speedup_vs_dense']:.2f}×",
            point,
            xytext=(x, y),
            fontsize=8,
            color=colour,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6},
        )
    low, high = table["latency_ms_median"].min(), table["latency_ms_median"].max()
    axis.set_xlim(low * 0.85, high * 1.35)
    axis.set_xlabel("latency of a call, median (ms)")
    axis.grid(alpha=0.3)
