"""Report sections on errors, exits, groups and cost, each only from its CSV files."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from eval import schema
from eval.render.files import records
from eval.render.markdown import captioned, frame
from eval.render.numbers import f1_interval, f1_points
from eval.schema import (
    AGAINST_DENSE,
    AGAINST_GOLD,
    CAUSED,
    DENSE,
    FATES,
    FIXED,
    MIN_SUPPORT,
    OF_TRAINING,
    OUTCOMES,
    WAYS,
    Gap,
    Group,
)
from eval.statistics import FEWEST


def errors_section(errors: pd.DataFrame, confusion: pd.DataFrame) -> str:
    """Outcomes against gold and dense, what pruning caused and fixed, and confusions of types."""
    parts = []
    for part in (AGAINST_GOLD, AGAINST_DENSE):
        of = errors[errors["part"] == part]
        counts = of.pivot_table(index="strategy", columns="outcome", values="count", aggfunc="sum", sort=False)
        if len(counts):
            rows = ([name, *(int(counts.loc[name, outcome]) for outcome in OUTCOMES)] for name in counts.index)
            parts.append(captioned(f"Mentions {part}.", ["strategy", *OUTCOMES], rows))
    changes = []
    for strategy in errors.loc[errors["part"] == CAUSED, "strategy"].unique():
        own = errors[errors["strategy"] == strategy]
        for part in (CAUSED, FIXED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            ways = ", ".join(f"{counts[how]} {how}" for how in WAYS[part] if counts[how])
            changes.append([strategy, part, int(counts.sum()), ways or "—"])
    if changes:
        caption = (
            "Errors that pruning caused (dense right, the strategy wrong) and fixed (the reverse), spurious ones "
            "among them; the head of `eval/analysis/errors.py` says what the ways mean."
        )
        parts.append(captioned(caption, ["strategy", "", "errors", "how"], changes))
    predicted = list(confusion["predicted"].unique())
    cells = confusion.set_index(["strategy", "gold", "predicted"])["count"]
    rows = (
        [strategy, gold, *(cells.get((strategy, gold, one), "") for one in predicted)]
        for strategy, gold in confusion[["strategy", "gold"]].drop_duplicates().itertuples(index=False)
    )
    caption = "Gold types (rows) against predicted ones, boundaries aside; *none*: no partner."
    parts.append(captioned(caption, ["strategy", "gold", *predicted], rows))
    return "\n\n".join(parts)


def exits_section(exits: pd.DataFrame) -> str:
    """Share of gold words that exit, by layer and label, and what becomes of the entity words among them."""
    if exits.empty:
        return "No strategy with gates ran."
    labels = list(exits["label"].unique())
    rows = []
    for (strategy, layer), of in exits.groupby(["strategy", "layer"], sort=False):
        shares = of.set_index("label")["share_exited"]
        entity_words = of[of["label"] != "O"][["exited", *FATES, "dense_right"]].sum()
        rows.append([strategy, layer, *(f"{shares[label]:.1%}" for label in labels), *entity_words])
    columns = [
        "strategy", "layer", *labels, "entity words", "right", "wrong", "recovered, right", "recovered, wrong",
        "dense right",
    ]  # fmt: skip
    caption = (
        "Share of the words of each gold label that exit after a layer; then how many entity words these are, and how "
        "many of them are right or wrong with the gate's label, or are recovered and then right or wrong. *Dense "
        "right*: those of the wrong ones that dense labels correctly."
    )
    return captioned(caption, columns, rows)


def groups_section(groups: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """The largest gap of each strategy in words, and F1 against dense in every group."""
    if groups.empty:
        return "No mentions, no groups."
    strategies = [name for name in groups["strategy"].unique() if name != DENSE]
    parts = ["\n".join(f"- {largest_gap(name, records(gaps))}" for name in strategies)] if strategies else []
    rows = []
    for group, of in groups.groupby(["dimension", "group"], sort=False):
        by_strategy: dict[str, Group] = {row["strategy"]: row for row in records(of)}
        cells = [_difference(by_strategy[name]) if name in by_strategy else "" for name in strategies]
        dense = by_strategy[DENSE]
        rows.append([*group, dense["support"], f1_interval(dense), f"{dense['recall']:.4f}", *cells])
    columns = ["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *strategies]
    caption = (
        "Groups are properties of gold mentions and predictions alike, so that each has an F1; recall looks at gold "
        "alone. Of the strategies: points of F1 against dense [95 %], then the share of layers that the words of the "
        "group's gold mentions went through."
    )
    if strategies:
        caption += " The intervals of the gaps above hold for all pairs at once."
    if not set(OF_TRAINING) & set(groups["dimension"]):
        caption += " Groups by training mentions are left out: there was no training split beside this one."
    else:
        caption += (
            " *Seen*, *unseen* and *frequency*: whether and how often the mention's text stands in the corpus' own "
            "training split. They say nothing about weights that were trained on other text."
        )
    return "\n\n".join([*parts, captioned(caption, columns, rows)])


def _difference(row: Group) -> str:
    kept = "" if pd.isna(row["keep_rate"]) else f"; {row['keep_rate']:.1%}"
    return f1_points(row) + kept


def largest_gap(strategy: str, gaps: Iterable[Gap]) -> str:
    """The largest significant gap of a strategy in words, else the largest of all."""
    own = [gap for gap in gaps if gap["strategy"] == strategy]
    if not own:
        needed = f"{MIN_SUPPORT} mentions and {FEWEST} documents"
        return f"`{strategy}`: no two groups of a kind have {needed} each, so none are compared."
    worst = min(own, key=lambda gap: (not gap["significant"], gap["gap"]))
    if not worst["gap"]:
        return f"`{strategy}`: no gap. All {worst['compared']} pairs of groups lose alike."
    numbers = f"{-worst['gap'] * 100:.2f} points [{-worst['high'] * 100:.2f}, {-worst['low'] * 100:.2f}]"
    pair = f"{worst['group']} against {worst['other']} ({worst['dimension']})"
    if worst["significant"]:
        compared = f"{worst['compared']} pairs compared"
        return f"`{strategy}`: the largest significant gap is {pair}: {numbers} more F1 lost; {compared}."
    return f"`{strategy}`: no significant gap. The largest of {worst['compared']} pairs is {pair}: {numbers}."


def cost_section(cost: pd.DataFrame) -> str:
    """One table per measure of ``cost.csv``; all speed-ups share one."""
    titles = {
        schema.GMACS: "MACs (10⁹ a document) by formula, and by torch's counter with the rows that rounding "
        "adds; first documents one by one",
        schema.TOKEN_LAYERS: "Share of the dense rows that each layer computed",
        schema.MEASURED: "Speed-up against dense: theoretical, by MACs, and measured",
        schema.PEAK_MEMORY: "Peak memory of tensors during a call on the first batch, weights not counted (MiB)",
        schema.HELD_MEMORY: "Memory held between calls, weights and packed copies of them included (MiB)",
        schema.MILLISECONDS: "Where the time of a call goes, ms a document (first documents)",
    }
    cost = cost.assign(part=cost["measure"].where(~cost["measure"].isin(schema.SPEEDUPS), schema.MEASURED))
    by = ["batch_size", "strategy"]
    parts = []
    for part, title in titles.items():
        rows = cost[cost["part"] == part]
        if rows.empty:
            continue
        columns, index = ("measure", [*by, "group"]) if part == schema.MEASURED else ("group", by)
        keys = rows[index].drop_duplicates()
        wide = rows.pivot_table(index=index, columns=columns, values="value", sort=False).reset_index()
        parts += [f"### {title}", frame(keys.merge(wide, how="left"))]
    return "\n\n".join(parts)
