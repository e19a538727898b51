"""``recovery.md``, from ``recovery.csv``."""

from __future__ import annotations

import math

import pandas as pd

from eval.render.files import records
from eval.render.markdown import escape, table
from eval.render.numbers import NOT_SIGNIFICANT, brackets, pp, ratio
from eval.schema import RecoveryGain

NOTE = (
    "What recovery gains and costs, made by `python -m eval.recovery` from `recovery.csv`, which has the settings. "
    f"Brackets are 95 % intervals of a paired bootstrap over documents or batches; {NOT_SIGNIFICANT}: not significant. "
    "*Random words*: as many, in as many windows of the same batch. Times at batch size 32, speed-ups against "
    "`dense` in the same run; the last column compares MACs with a dense pass over the documents in which "
    "words came back."
)


def recovery_page(corpus: str, rows: str) -> str:
    """The text of ``recovery.md``: ``corpus`` names corpus and split, ``rows`` is the table."""
    return f"# Recovery: {escape(corpus)}\n\n{NOTE}\n\n{rows}\n"


def recovery_table(found: pd.DataFrame) -> str:
    """The rows of ``recovery.csv`` as Markdown; the stored trigger of each point is marked."""
    columns = (
        "strategy", "trigger", "fired", "recovered words", "F1 dense", "without", "with (gain [95 %])",
        "random words (gain over them [95 %])", "share of time", "speed-up without", "with [95 %]",
        "cost ÷ dense rerun",
    )  # fmt: skip
    return table(columns, [_cells(row) for row in records(found)])


def _cells(row: RecoveryGain) -> list[str]:
    gain = _gain(row["f1_with"] - row["f1_without"], row["gain_low"], row["gain_high"])
    over = _gain(row["f1_with"] - row["f1_random"], row["over_random_low"], row["over_random_high"])
    rerun = row["cost_against_dense_rerun"]
    return [
        f"{row['strategy']} ({row['point']})",
        row["trigger"] + (" (stored)" if row["stored"] else ""),
        f"{row['documents_fired']:.1%}",
        str(row["recovered_words"]),
        f"{row['f1_dense']:.4f}",
        f"{row['f1_without']:.4f}",
        f"{row['f1_with']:.4f} ({gain})",
        f"{row['f1_random']:.4f} ({over})",
        f"{row['time_share']:.1%}",
        ratio(row["speedup_without"]),
        f"{ratio(row['speedup_with'])} {brackets(row['speedup_with_low'], row['speedup_with_high'], '.2f', 'batches')}",
        "" if math.isnan(rerun) else f"{rerun:.2f}",
    ]


def _gain(difference: float, low: float, high: float) -> str:
    significant = low > 0 or high < 0
    return pp({"difference": difference, "low": low, "high": high, "significant": significant})
