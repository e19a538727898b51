"""Sections of the report on errors, exits, groups and ablations, each from its CSV files alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eval.analysis.errors import AGAINST_DENSE, AGAINST_GOLD, CAUSED, CURED, OUTCOMES, WAYS
from eval.analysis.exits import FATES
from eval.analysis.subgroups import OF_TRAINING, largest_gap
from eval.render import markdown
from eval.render.conclusions import in_points


def errors_section(folder: Path) -> str:
    """Outcomes against gold and dense, what pruning caused and cured, and confusions of types."""
    table = pd.read_csv(folder / "errors.csv", keep_default_na=False)
    parts = []
    for part in (AGAINST_GOLD, AGAINST_DENSE):
        of = table[table["part"] == part]
        counts = of.pivot_table(index="strategy", columns="outcome", values="count", aggfunc="sum", sort=False)
        if len(counts):
            rows = ([name, *(int(counts.loc[name, outcome]) for outcome in OUTCOMES)] for name in counts.index)
            parts.append(_table(["strategy", *OUTCOMES], rows, f"Mentions {part}."))
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
    """Share of gold words that left, by layer and label, and what became of the entity words among them."""
    table = pd.read_csv(folder / "exits.csv")
    if table.empty:
        return "No strategy with gates ran."
    labels = list(table["label"].unique())
    counted = ["left", *FATES, "dense_right"]
    rows = []
    for (strategy, layer), of in table.groupby(["strategy", "layer"], sort=False):
        shares = of.set_index("label")["share_left"]
        entity_words = of[of["label"] != "O"][counted].sum()
        rows.append([strategy, layer, *(f"{shares[label]:.1%}" for label in labels), *entity_words])
    head = ["strategy", "layer", *labels, "entity words", "right", "wrong", "back, right", "back, wrong", "dense right"]
    caption = (
        "Share of the words of each gold label that left after a layer; then how many entity words these are, and how "
        "many of them were right or wrong with the gate's label, or came back and then were right or wrong. *Dense "
        "right*: those of the wrong ones that dense labels rightly."
    )
    return _table(head, rows, caption)


def groups_section(folder: Path) -> str:
    """The largest gap of each strategy in words, and F1 against dense in every group."""
    table, gaps = (pd.read_csv(folder / f"{name}.csv") for name in ("subgroups", "gaps"))
    if table.empty:
        return "No mentions, no groups."
    strategies = [name for name in table["strategy"].unique() if name != "dense"]
    records: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in gaps.to_dict("records")]
    parts = ["\n".join(f"- {largest_gap(name, records)}" for name in strategies)] if strategies else []
    rows = []
    for group, of in table.groupby(["dimension", "group"], sort=False):
        by_strategy = {row["strategy"]: row for row in of.to_dict("records")}
        cells = [_difference(by_strategy[name]) if name in by_strategy else "" for name in strategies]
        dense = by_strategy["dense"]
        f1 = f"{dense['f1']:.4f} [{dense['f1_low']:.4f}, {dense['f1_high']:.4f}]"
        rows.append([*group, dense["support"], f1, f"{dense['recall']:.4f}", *cells])
    head = ["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *strategies]
    caption = (
        "Groups are properties of gold mentions and predictions alike, so that each has an F1; recall looks at gold "
        "alone. Of the strategies: points of F1 against dense [95 %], then the share of layers that the words of the "
        "group's gold mentions went through. The intervals of the gaps above hold for all pairs at once."
    )
    if not set(OF_TRAINING) & set(table["dimension"]):
        caption += " Groups by training mentions are left out: there was no training split beside this one."
    else:
        caption += (
            " *Seen*, *unseen* and *frequency*: whether and how often the mention's text stands in the corpus' own "
            "training split. They tell nothing about what weights were trained on that saw other text."
        )
    return "\n\n".join([*parts, _table(head, rows, caption)])


def _difference(row: dict[Any, Any]) -> str:
    kept = "" if pd.isna(row["keep_rate"]) else f"; {row['keep_rate']:.1%}"
    return in_points(row) + kept


def ablations_section(folder: Path, failed: Sequence[str]) -> str:
    """Every setting of every knob; ``failed``: what `eval.ablations.failures` says."""
    table = pd.read_csv(folder / "ablations.csv", dtype={"value": str}, keep_default_na=False)
    rows = [
        [
            row["knob"], row["strategy"], f"{row['value']} (default)" if row["is_default"] else row["value"],
            f"{row['f1']:.4f} [{row['f1_low']:.4f}, {row['f1_high']:.4f}]", in_points(row),
            "—" if row["is_default"] else in_points(row, "default_"),
            f"{row['token_layers_kept']:.1%}", f"{row['promised_speedup']:.2f}×", row["recovered_words"],
            "—" if row["is_default"] else row["changed_predictions"] if row["effect"] else "no effect",
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    head = [
        "knob", "strategy", "value", "F1 [95 %]", "against dense, points [95 %]", "against default, points [95 %]",
        "token-layers kept", "promised", "words back", "predictions changed",
    ]  # fmt: skip
    caption = (
        "One knob at a time, the others as stored; promised is dense ÷ own multiply-adds, nothing was timed; changed "
        "predictions are counted against the default. That of *recovery* is *off*; of *weights*, those of the run."
    )
    warnings = [f"> **Failed**: {failure}" for failure in failed]
    return "\n\n".join([*warnings, _table(head, rows, caption)])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    cells = [[markdown.escape(cell) for cell in row] for row in rows]
    return f"{caption}\n\n{markdown.table([markdown.escape(name) for name in head], cells)}"
