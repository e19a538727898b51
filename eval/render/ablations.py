"""The page of ablations, with the settings that fail, from ``ablations.csv`` alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd

from eval.render.files import read_table, rows_of
from eval.render.pages import Parts, Table, write_pages
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
    """Writes the page of a folder with ``ablations.csv``; returns the settings that fail, in words."""
    ablations = read_table(folder, ABLATIONS)
    write_pages(folder, ABLATIONS, title, {"One setting at a time": ablations_parts(ablations)})
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
    """Failures, and every value of every setting."""
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
    return [*warnings, Table(columns, cells, READING)]
