"""Plots of the analyses, as pure functions of their CSV files; legible in grey."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLUMNS = 3
_STYLES = (("o", "-", "#0050a0"), ("^", "--", "#b35900"), ("s", ":", "#2e7d32"))


def plot_ablations(ablations: Path, target: Path) -> None:
    """F1 against dense (its line is 0) with paired intervals over the share of token-layers kept, a panel a knob."""
    table = pd.read_csv(ablations, dtype={"value": str}, keep_default_na=False)
    knobs = list(table["knob"].unique())
    rows = -(-len(knobs) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(4.6 * COLUMNS, 3.6 * rows), squeeze=False)
    for axis, knob in zip(axes.flat, knobs, strict=False):
        of_knob = table[table["knob"] == knob]
        axis.axhline(0, color="#1b1b1b", linewidth=1, linestyle="-.", label="dense")
        for (strategy, of), style in zip(of_knob.groupby("strategy", sort=False), cycle(_STYLES), strict=False):
            _curve(axis, of, str(strategy), style)
        axis.set_title(knob, fontsize=10)
        axis.set_xlabel("share of token-layers kept")
        axis.set_ylabel("F1 against dense (points)")
        axis.margins(x=0.12)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="lower right")
    for axis in axes.flat[len(knobs) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(target, dpi=130)
    plt.close(figure)


def _curve(axis: Axes, of: pd.DataFrame, label: str, style: tuple[str, str, str]) -> None:
    """One strategy's values; those that are numbers are joined by a line, and those on one spot share a label."""
    marker, line, colour = style
    of = of.sort_values("token_layers_kept")
    kept, points = of["token_layers_kept"], of["difference"] * 100
    # The percentile interval of a resampled difference need not hold the difference itself.
    spread = [(points - of["low"] * 100).clip(lower=0), (of["high"] * 100 - points).clip(lower=0)]
    numeric = pd.to_numeric(of["value"], errors="coerce").notna().all()
    shape = f"{marker}{line}" if numeric else marker
    axis.errorbar(kept, points, spread, fmt=shape, color=colour, linewidth=1, elinewidth=0.6, label=label)
    spots: dict[tuple[float, float], list[str]] = {}
    for x, y, value in zip(kept, points, of["value"], strict=True):
        spots.setdefault((round(x, 3), round(y, 2)), []).append(value)
    for number, ((x, y), values) in enumerate(spots.items()):
        right = x > (kept.min() + kept.max()) / 2  # labels grow towards the middle
        place, side = (-3 if right else 3, 4 if number % 2 else -10), "right" if right else "left"
        axis.annotate(", ".join(values), (x, y), place, textcoords="offset points", fontsize=7, color=colour, ha=side)


def plot_groups(subgroups: Path, target: Path) -> None:
    """F1 against dense in every group, with its interval, a panel for each strategy."""
    table = pd.read_csv(subgroups)
    strategies = [name for name in table["strategy"].unique() if name != "dense"]
    groups = table.drop_duplicates(["dimension", "group"])[["dimension", "group"]]
    height = 0.24 * len(groups) + 1.2
    figure, axes = plt.subplots(
        1, max(len(strategies), 1), figsize=(3.2 * len(strategies) + 2.2, height), squeeze=False, sharey=True
    )
    for axis, strategy in zip(axes[0], strategies, strict=False):
        of = groups.merge(table[table["strategy"] == strategy], how="left")
        places = range(len(of))
        axis.hlines(places, of["low"] * 100, of["high"] * 100, color="#6f6f6f", linewidth=1.2)
        axis.plot(of["difference"] * 100, places, "o", color="#0050a0", markersize=4)
        axis.axvline(0, color="#1b1b1b", linewidth=0.8, linestyle="-.")
        axis.set_title(strategy, fontsize=10)
        axis.set_xlabel("F1 against dense (points)")
        axis.grid(alpha=0.3, axis="x")
    axes[0][0].set_yticks(range(len(groups)), [f"{d}: {g}" for d, g in groups.itertuples(index=False)], fontsize=8)
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(target, dpi=130)
    plt.close(figure)


def plot_exits(exits: Path, target: Path) -> None:
    """Share of words of each gold label that left, layer by layer, a panel for each strategy."""
    table = pd.read_csv(exits)
    strategies = list(table["strategy"].unique())
    figure, axes = plt.subplots(
        1, max(len(strategies), 1), figsize=(3.4 * max(len(strategies), 1), 3.2), squeeze=False, sharey=True
    )
    lines = ("-", "--", ":", "-.")
    for axis, strategy in zip(axes[0], strategies, strict=False):
        of = table[table["strategy"] == strategy]
        for (label, one), line, marker in zip(
            of.groupby("label", sort=False), cycle(lines), cycle("os^vDx"), strict=False
        ):
            axis.plot(one["layer"], one["share_left"].cumsum(), line, marker=marker, markersize=4, label=label)
        axis.set_title(strategy, fontsize=10)
        axis.set_xlabel("layer")
        axis.set_xticks(sorted(of["layer"].unique()))
        axis.set_ylim(-0.02, 1.02)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("share of words that have left")
    if strategies:
        axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, dpi=130)
    plt.close(figure)
