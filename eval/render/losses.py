"""The sections of a report about errors, exits and groups, each from its files alone.

Tables of variants are `labelled`.
"""

from __future__ import annotations

import pandas as pd

from eval import schema
from eval.render.files import rows_of
from eval.render.pages import Table
from eval.render.sections import Parts
from eval.render.text import f1_interval, pp, score, share
from eval.schema import DENSE, Group

OWN_DTYPE = "Each strategy is compared with dense in its own dtype."
ERRORS_READING = (
    "Entities that pruning got wrong and dense did not (caused), and the reverse (fixed), spurious predictions "
    "included. *Mislabelled at the gate*: its words exited with labels other than dense's; they lacked layers or "
    "context. *Context lost* (or *less context*): its words were computed to the end, but among fewer others. *Span "
    "cut*: its words did not all exit at the same layer. "
    f"{OWN_DTYPE} All counts: [errors.csv](errors.csv), [confusion.csv](confusion.csv)."
)
EXITS_READING = (
    "Shares of the words outside entities and in entities that exit early. Then numbers of words in entities: those "
    "that exit with a wrong label, and those (recovered ones included) whose label is wrong here and right in dense. "
    "By layer and label: [exits.csv](exits.csv)."
)
GROUPS_READING = (
    "F1 against dense in pp [95 %]. Predictions belong to groups like gold mentions; recall considers gold mentions "
    f"alone. {OWN_DTYPE} Each interval holds for its own group, not for all of them at once. All figures: "
    "[subgroups.csv](subgroups.csv)."
)
TRAINING_READING = (
    " *Seen* and *unseen* say whether a mention's text occurs in the corpus' own training split. They say nothing "
    "about weights that were trained on other text."
)
NO_TRAINING = " Groups by training mentions are left out, because there was no training split beside this one."


def errors_parts(errors: pd.DataFrame, confusion: pd.DataFrame) -> Parts:
    """The errors that pruning caused and fixed, outcomes against gold and dense, and confusions of types."""
    changes = []
    for label in errors.loc[errors["part"] == schema.CAUSED, "label"].unique():
        own = errors[errors["label"] == label]
        cells: list[object] = [label]
        for part in (schema.CAUSED, schema.FIXED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            ways = ", ".join(f"{counts[how]} {how}" for how in schema.WAYS[part] if counts[how])
            cells += [int(counts.sum()), ways]
        changes.append(cells)
    against_dense = errors[errors["part"] == schema.AGAINST_DENSE].replace({"outcome": schema.BESIDE_DENSE})
    predicted = list(confusion["predicted"].unique())
    by_pair = confusion.set_index(["label", "gold", "predicted"])["count"]
    confused = [
        [label, gold, *(by_pair.get((label, gold, one), "") for one in predicted)]
        for label, gold in confusion[["label", "gold"]].drop_duplicates().itertuples(index=False)
    ]
    about_types = "Gold types (rows) against predicted ones, boundaries aside; *none*: no partner"
    heads = ["strategy", schema.CAUSED, "how", schema.FIXED, "how"]
    return [
        Table(heads, changes, ERRORS_READING) if changes else "No strategy ran beside dense.",
        _outcomes_table(errors[errors["part"] == schema.AGAINST_GOLD], "Mentions by outcome"),
        *([_outcomes_table(against_dense, "Entities against dense's")] if len(against_dense) else []),
        Table(["strategy", "gold", *predicted], confused, about_types, folded=True),
    ]


def _outcomes_table(counts: pd.DataFrame, caption: str) -> Table:
    outcomes = list(counts["outcome"].unique())
    wide = counts.pivot_table(index="label", columns="outcome", values="count", aggfunc="sum", sort=False)[outcomes]
    return Table(["strategy", *outcomes], wide.reset_index().to_numpy().tolist(), caption, folded=True)


def exits_parts(exits: pd.DataFrame) -> Parts:
    """Counts the words that exit and the entity words among them that are wrong, in all and by layer and label."""
    if exits.empty:
        return ["No strategy with gates ran."]
    names = list(exits["gold"].unique())
    summary, by_layer = [], []
    for label, of in exits.groupby("label", sort=False):
        entities = of[of["gold"] != "O"]
        words = entities.drop_duplicates("gold")["words"].sum()
        outside = of.loc[of["gold"] == "O", "share_exited"].sum()
        totals = entities[["exited", "wrong_at_gate", "dense_right"]].sum()
        within = totals["exited"] / words if words else float("nan")
        summary.append([label, share(outside), share(within), totals["wrong_at_gate"], totals["dense_right"]])
        for layer, at in of.groupby("layer", sort=False):
            shares = at.set_index("gold")["share_exited"]
            counts = at[at["gold"] != "O"][["exited", *schema.FATES, "dense_right"]].sum()
            by_layer.append([label, layer, *(share(shares[name]) for name in names), *counts])
    heads = ["strategy", "outside exited", "entity words exited", "exited, wrong label", "wrong here, right in dense"]
    layer_heads = [
        "strategy", "layer", *names, "entity words", "right", "wrong", "recovered, right", "recovered, wrong",
        "dense right",
    ]  # fmt: skip
    folded = "By layer: the share of words of each gold label that exit there, and what becomes of the entity words"
    return [Table(heads, summary, EXITS_READING), Table(layer_heads, by_layer, folded, folded=True)]


def groups_parts(groups: pd.DataFrame) -> Parts:
    """F1 against dense in every group of mentions."""
    if groups.empty:
        return ["No mentions, no groups."]
    names = [str(label) for label in groups.loc[groups["strategy"] != DENSE, "label"].unique()]
    rows = []
    for group, of in groups.groupby(["dimension", "group"], sort=False):
        by_label: dict[str, Group] = {row["label"]: row for row in rows_of(of)}
        dense = rows_of(of[of["strategy"] == DENSE])[0]
        cells = [pp(by_label[name]) for name in names]
        rows.append([*group, dense["support"], f1_interval(dense), score(dense["recall"]), *cells])
    about = GROUPS_READING + (TRAINING_READING if (groups["dimension"] == schema.TRAINING).any() else NO_TRAINING)
    columns = ["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *names]
    return [Table(columns, rows, about)]
