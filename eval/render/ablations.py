"""Ablations from ``ablations.csv``: the table, the plot, and the settings that fail their checks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.render.files import records
from eval.render.markdown import captioned, escape
from eval.render.numbers import f1_interval, f1_points, ratio
from eval.render.plots import DENSE_LINE, new_figure, place_labels
from eval.schema import LAMBDA, RECOVERY, Ablation

PANELS = 3  # per row
_STYLES = (("o", "-", "#0050a0"), ("^", "--", "#b35900"), ("s", ":", "#2e7d32"))


def failures(table: pd.DataFrame) -> list[str]:
    """Says which settings fail their checks.

    Raising λ must lower the share of token-layers; each recovery trigger, and every other setting for at least one
    value, must have an effect.
    """
    found = []
    for (setting, strategy), of in table.groupby(["setting", "strategy"], sort=False):
        if setting == LAMBDA:
            ordered: list[Ablation] = sorted(records(of), key=lambda row: float(row["value"]))
            found += [
                f"λ of {strategy}: expected fewer token-layers at {after['value']} than at {before['value']}, got "
                f"{after['token_layers_kept']:.5f} after {before['token_layers_kept']:.5f}"
                for before, after in pairwise(ordered)
                if after["token_layers_kept"] >= before["token_layers_kept"]
            ]
        changed = of[~of["is_default"]]
        if setting == RECOVERY:
            dead = changed.loc[~changed["effect"], "value"]
            found += [f"recovery of {strategy}: expected an effect of trigger {value}, got none" for value in dead]
        elif len(changed) and not changed["effect"].any():
            values = ", ".join(of["value"])
            found.append(
                f"{setting} of {strategy}: expected an effect on predictions, cost or trace, got none ({values})"
            )
    return found


def ablations_page(corpus: str, table: pd.DataFrame) -> str:
    """The text of ``ablations.md``, which shows ``ablations.png``; ``corpus`` names corpus and split."""
    plot = "![F1 against dense over the share of token-layers kept](ablations.png)"
    return f"# Ablations: {escape(corpus)}\n\n{plot}\n\n{ablations_section(table)}\n"


def ablations_section(table: pd.DataFrame) -> str:
    """Failures, then every setting of every setting."""
    rows = [
        [
            row["setting"], row["strategy"], f"{row['value']} (default)" if row["is_default"] else row["value"],
            f1_interval(row), f1_points(row),
            "—" if row["is_default"] else f1_points(row, "default_"),
            f"{row['token_layers_kept']:.1%}", ratio(row["theoretical_speedup"]), row["recovered_words"],
            "—" if row["is_default"] else row["changed_predictions"] if row["effect"] else "no effect",
        ]
        for row in records(table)
    ]  # fmt: skip
    columns = [
        "setting", "strategy", "value", "F1 [95 %]", "F1 against dense, points [95 %]",
        "F1 against default, points [95 %]", "token-layers kept", "theoretical speed-up", "recovered words",
        "predictions changed",
    ]  # fmt: skip
    caption = (
        "One setting at a time, the others as stored (for `min_keep_ratio`, λ of `rule` is the largest; for "
        "`recovery_limit`, the trigger is `any`; *recovery*, *off* included, has the gates of `entropy+recovery`). The "
        "theoretical speed-up is dense ÷ own MACs: nothing was timed. Changed predictions are counted against "
        "the default; that of *weights* are those of the run."
    )
    warnings = [f"> **Failed**: {failure}" for failure in failures(table)]
    return "\n\n".join([*warnings, captioned(caption, columns, rows)])


def plot_ablations(table: pd.DataFrame) -> Figure:
    """Plots F1 against dense (line at 0) with paired intervals over the share of token-layers kept, by setting."""
    settings: Sequence[str] = list(table["setting"].unique())
    rows = -(-len(settings) // PANELS)
    figure, axes = new_figure(rows, PANELS, (5.4 * PANELS, 4.2 * rows))
    for axis, setting in zip(axes.flat, settings, strict=False):
        axis.axhline(0, label="dense", **DENSE_LINE)
        for (strategy, of), style in zip(
            table[table["setting"] == setting].groupby("strategy", sort=False), cycle(_STYLES), strict=False
        ):
            _curve(axis, of, str(strategy), style)
        axis.set_title(setting, fontsize=10)
        axis.set_xlabel("share of token-layers kept")
        axis.set_ylabel("F1 against dense (points)")
        axis.margins(0.15)
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)
    for axis in axes.flat[len(settings) :]:
        axis.axis("off")
    place_labels(figure)
    return figure


def _curve(axis: Axes, of: pd.DataFrame, label: str, style: tuple[str, str, str]) -> None:
    """Draws one strategy's values; a line joins numeric ones, and those on one spot share a label."""
    marker, line, colour = style
    of = of.sort_values("token_layers_kept")
    kept, difference = of["token_layers_kept"], of["difference"] * 100
    # A percentile interval need not contain the value itself; without an interval, the bar has no length.
    spread = [
        (side * 100).fillna(0).clip(lower=0) for side in (of["difference"] - of["low"], of["high"] - of["difference"])
    ]
    numeric = pd.to_numeric(of["value"], errors="coerce").notna().all()
    shape = f"{marker}{line}" if numeric else marker
    axis.errorbar(kept, difference, spread, fmt=shape, color=colour, linewidth=1, elinewidth=0.6, label=label)
    spots: dict[tuple[float, float], list[str]] = {}
    for x, y, value in zip(kept, difference, of["value"], strict=True):
        spots.setdefault((round(x, 3), round(y, 2)), []).append(value)
    for (x, y), values in spots.items():
        axis.text(x, y, ", ".join(values), fontsize=7, color=colour)
