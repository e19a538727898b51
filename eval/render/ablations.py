"""Ablations from ``ablations.csv``: the section, and the settings that fail their checks."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from eval.render.files import records
from eval.render.html import Table
from eval.render.markdown import escape
from eval.render.numbers import f1_interval, pp, ratio, share
from eval.schema import LAMBDA, RECOVERY, Ablation


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


def ablations_parts(table: pd.DataFrame) -> list[str | Table]:
    """The plot, failures, and every value of every setting."""
    rows = [
        [
            row["setting"], row["strategy"], f"{row['value']} (default)" if row["is_default"] else row["value"],
            f1_interval(row), pp(row),
            "—" if row["is_default"] else pp(row, "default_"),
            share(row["token_layers_kept"]), ratio(row["theoretical_speedup"]), row["recovered_words"],
            "—" if row["is_default"] else row["changed_predictions"] if row["effect"] else "no effect",
        ]
        for row in records(table)
    ]  # fmt: skip
    columns = [
        "setting", "strategy", "value", "F1 [95 %]", "against dense, pp [95 %]", "against default, pp [95 %]",
        "token-layers kept", "theoretical speed-up", "recovered words", "predictions changed",
    ]  # fmt: skip
    caption = (
        "One setting at a time, the others as stored (for `min_keep_ratio`, λ of `rule` is the largest; for "
        "`recovery_limit`, the trigger is `any`; *recovery*, *off* included, has the gates of `entropy+recovery`). The "
        "theoretical speed-up is dense ÷ own MACs: nothing was timed. Changed predictions are counted against "
        "the default; that of *weights* are those of the run."
    )
    warnings = [f"> **Failed**: {escape(failure)}" for failure in failures(table)]
    plot = "![F1 against dense over the share of token-layers kept](ablations.png)"
    return [*warnings, plot, Table(columns, rows, caption)]
