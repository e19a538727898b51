"""Sections of the report on errors, exits, groups and ablations, each from its CSV files alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eval.errors import AGAINST_DENSE, AGAINST_GOLD, CAUSED, CURED, OUTCOMES, WAYS
from eval.subgroups import OF_TRAINING, largest_gap


def errors_section(folder: Path) -> str:
    """Outcomes against gold and dense, what pruning caused and cured, and confusions of types."""
    table = pd.read_csv(folder / "errors.csv", keep_default_na=False)
    parts = []
    for part in (AGAINST_GOLD, AGAINST_DENSE):
        of = table[table["part"] == part]
        counts = of.pivot_table(index="strategy", columns="outcome", values="count", aggfunc="sum", sort=False)
        if len(counts):
            rows = ([name, *(int(counts.loc[name, outcome]) for outcome in OUTCOMES)] for name in counts.index)
            parts.append(_table(["strategy", *(f"{outcome}" for outcome in OUTCOMES)], rows, f"Mentions {part}."))
    changes = []
    for strategy in table.loc[table["part"] == CAUSED, "strategy"].unique():
        own = table[table["strategy"] == strategy]
        for part in (CAUSED, CURED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            ways = ", ".join(f"{counts[how]} {how}" for how in WAYS[part] if counts[how])
            changes.append([strategy, part, int(counts.sum()), ways or "—"])
    if changes:
        caption = (
            "Errors that pruning caused (dense right, the strategy wrong) and cured (the reverse), spurious ones "
            "among them; what the ways mean is said at the head of `eval/errors.py`."
        )
        parts.append(_table(["strategy", "", "errors", "how"], changes, caption))
    confusion = pd.read_csv(folder / "confusion.csv", keep_default_na=False)
    predicted = list(confusion["predicted"].unique())
    cells = confusion.set_index(["strategy", "gold", "predicted"])["count"]
    rows = (
        [strategy, gold, *(cells.get((strategy, gold, one), "") for one in predicted)]
        for strategy, gold in confusion[["strategy", "gold"]].drop_duplicates().itertuples(index=False)
    )
    caption = "Gold types (rows) against predicted ones, boundaries aside; *none*: no partner."
    parts.append(_table(["strategy", "gold", *predicted], rows, caption))
    return "\n\n".join(parts)


def exits_section(folder: Path) -> str:
    """Share of gold words that left, by layer and label, and what became of them."""
    table = pd.read_csv(folder / "exits.csv")
    if table.empty:
        return "No strategy with gates ran."
    rows = [
        [
            row["strategy"], row["layer"], row["label"], f"{row['left']} of {row['words']} ({row['share_left']:.1%})",
            row["right_at_gate"], row["wrong_at_gate"], row["back_right"], row["back_wrong"], row["dense_right"],
        ]
        for row in table[table["left"] > 0].to_dict("records")
    ]  # fmt: skip
    head = ["strategy", "layer", "gold label", "left", "right", "wrong", "back, right", "back, wrong", "dense right"]
    caption = (
        "Words by gold label that left after a layer: right or wrong with the gate's label, or brought back and then "
        "right or wrong; *dense right*: of the wrong ones."
    )
    return _table(head, rows, caption)


def groups_section(folder: Path) -> str:
    """The largest gap of each strategy in words, and its groups."""
    table, gaps = (pd.read_csv(folder / f"{name}.csv") for name in ("subgroups", "gaps"))
    if table.empty or "group" not in table:
        return "No mentions, no groups."
    strategies = [name for name in table["strategy"].unique() if name != "dense"]
    records: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in gaps.to_dict("records")]
    parts = ["\n".join(f"- {largest_gap(name, records)}" for name in strategies)] if strategies else []
    rows = [
        [
            row["strategy"], row["dimension"], row["group"], row["support"],
            f"{row['f1']:.4f} [{row['f1_low']:.4f}, {row['f1_high']:.4f}]", f"{row['recall']:.4f}", _points(row),
            "" if pd.isna(row["keep_rate"]) else f"{row['keep_rate']:.1%}",
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    head = ["strategy", "by", "group", "mentions", "F1 [95 %]", "recall", "against dense, points [95 %]", "kept layers"]
    caption = (
        "Groups are properties of gold mentions and predictions alike, so that each has an F1; recall looks at gold "
        "alone. Kept layers: of the words of the group's gold mentions. Intervals of gaps hold for all pairs at once."
    )
    if not set(OF_TRAINING) & set(table["dimension"]):
        caption += " The corpus has no training split beside this one: groups by training mentions are left out."
    return "\n\n".join([*parts, _table(head, rows, caption)])


def ablations_section(folder: Path, failed: Sequence[str]) -> str:
    """Every setting of every knob; ``failed``: what `eval.ablations.failures` says."""
    table = pd.read_csv(folder / "ablations.csv", dtype={"value": str}, keep_default_na=False)
    rows = [
        [
            row["knob"], row["strategy"], f"{row['value']} (default)" if row["is_default"] else row["value"],
            f"{row['f1']:.4f} [{row['f1_low']:.4f}, {row['f1_high']:.4f}]", _points(row),
            f"{row['token_layers_kept']:.1%}", f"{row['promised_speedup']:.2f}×", row["recovered_words"],
            "—" if row["is_default"] else row["changed_predictions"] if row["effect"] else "no effect",
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    head = [
        "knob", "strategy", "value", "F1 [95 %]", "against dense, points [95 %]", "token-layers kept", "promised",
        "words back", "predictions changed",
    ]  # fmt: skip
    caption = (
        "One knob at a time, the others as stored; promised is dense ÷ own multiply-adds, nothing was timed; changed "
        "predictions are counted against the default."
    )
    warnings = [f"> **Failed**: {failure}" for failure in failed]
    return "\n\n".join([*warnings, _table(head, rows, caption)])


def _points(row: dict[Any, Any]) -> str:
    if row["strategy"] == "dense":
        return "—"
    text = f"{row['difference'] * 100:+.2f} [{row['low'] * 100:+.2f}, {row['high'] * 100:+.2f}]"
    return text if row["beyond_chance"] else f"{text} (none)"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]
    return caption + "\n\n" + "\n".join(lines)
