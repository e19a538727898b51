"""The sections of a report, each from its files alone.

Tables of variants are `labelled`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from eval import schema
from eval.render.files import IntervalRow, ResultRow, reference_row, rows_of
from eval.render.pages import Parts, Table
from eval.render.text import (
    NOT_SIGNIFICANT,
    bullets,
    code,
    escape,
    f1_interval,
    join,
    pp,
    ratio,
    score,
    share,
    speedup,
)
from eval.schema import BASELINE, CASCADE, DENSE, MODEL, RANDOM, Group
from eval.statistics import FEWEST, STEADY

READING = (
    "F1 counts exact (document, start, end, type) spans, micro-averaged; F1 seqeval is strict IOB2 on words, the "
    "number that papers report. A speed-up is the sum of the end-to-end times of {dense} divided by the variant's, in "
    "this run; a theoretical one is the ratio of MACs. Intervals are those of "
    f"a paired bootstrap over documents or batches; {NOT_SIGNIFICANT} means that they include zero difference; over "
    f"fewer than {FEWEST} batches there is neither interval nor ratio. "
    "Precision, recall, latencies and speed-ups against dense in the same dtype are in [results.csv](results.csv), all "
    "intervals in [intervals.csv](intervals.csv)."
)
KINDS_READING = {  # by the kinds of rows that need it
    (RANDOM,): (
        f"The F1 of `random` is the mean of {schema.RANDOM_SEEDS} seeds; its times, costs, errors, exits and groups "
        "are those of the first."
    ),
    (BASELINE, MODEL): "MACs and token-layers of baselines and other models are not counted: these cells are empty.",
}
READ = "words read by the large model"
CASCADES_READING = (
    "`random-windows` gives the large model as many words, in windows chosen at random. Among errors and exits, "
    "words that the large model does not read exit after the last layer of the small one, whose layers come first; "
    "*context lost* says that the large model read the words, and the mean of both models, or less context, decided."
)
COST_READING = (
    "MACs of a document, how many times as many `dense` takes, and the memory of a process with the strategy alone "
    "after a call. What each layer computed: [cost.csv](cost.csv)."
)
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


def results_tables(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> dict[int, Table]:
    """The main figures of every variant, by batch size."""
    dense = reference_row(rows)["label"]
    by_key = {(i["label"], i["batch_size"]): i for i in intervals if i["against_label"] == dense}
    columns: tuple[str, ...] = (
        "strategy", "F1", "against dense, pp [95 %]", "F1 seqeval", "speed-up [95 %]", "theoretical, same dtype",
        "token-layers kept",
    )  # fmt: skip
    if cascades := any(row["kind"] == CASCADE for row in rows):
        columns = (*columns, READ)
    cells: dict[int, list[Sequence[str]]] = {}
    for row in rows:
        interval, point = by_key[row["label"], row["batch_size"]], row["point"]
        name = row["label"] + (f", {point}" if point and f":{point}" not in row["label"] else "")
        figures = score(row["f1"]), pp(interval), score(row["f1_seqeval"]), speedup(interval)
        cost = ratio(row["theoretical_speedup"]), share(row["token_layers_kept"])
        read = [share(row["read_by_large"])] if cascades else []
        cells.setdefault(row["batch_size"], []).append((name, *figures, *cost, *read))
    return {size: Table(columns, of_size) for size, of_size in sorted(cells.items())}


def results_parts(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> Parts:
    """A table for each batch size, how to read it, and what doubt is worth."""
    parts: list[str | Table] = []
    for size, table in results_tables(rows, intervals).items():
        parts += [f"### Batch size {size}", table]
    return [*parts, reading(rows), *_cascades(rows, intervals)]


def _cascades(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> Parts:
    """Cascades beside what reads as much at random, and beside other models, such as the small one alone."""
    size = min(row["batch_size"] for row in rows)
    own = [row for row in rows if row["kind"] == CASCADE and row["batch_size"] == size]
    others = {row["label"] for row in rows if row["kind"] == MODEL or row["replays"]}
    cells = []
    for row in own:
        against = (of for of in intervals if (of["label"], of["batch_size"]) == (row["label"], size))
        for of in (of for of in against if of["against_label"] in others):
            other = of["against_label"], score(row["f1"] - of["difference"])
            cells.append([row["label"], share(row["read_by_large"]), score(row["f1"]), *other, pp(of)])
    heads = ["strategy", READ, "F1", "against", "its F1", "difference, pp [95 %]"]
    return ["### What doubt is worth", Table(heads, cells, CASCADES_READING)] if cells else []


def reading(rows: Sequence[ResultRow]) -> str:
    """Explains the tables of results: all rows, and the kinds of rows that are present."""
    kinds = {row["kind"] for row in rows}
    parts = [READING.format(dense=code(reference_row(rows)["label"]))]
    parts += [text for of, text in KINDS_READING.items() if kinds.intersection(of)]
    batches = {row["batch_size"]: -(-row["timed_documents"] // row["batch_size"]) for row in rows}
    if few := [f"{count} batches of {size}" for size, count in batches.items() if FEWEST <= count < STEADY]:
        parts.append(f"Intervals over few batches are too narrow; there are {join(few)}.")
    return " ".join(parts)


def errors_parts(errors: pd.DataFrame) -> Parts:
    """The errors that pruning caused and fixed."""
    changes = []
    for label in errors.loc[errors["part"] == schema.CAUSED, "label"].unique():
        own = errors[errors["label"] == label]
        cells: list[object] = [label]
        for part in (schema.CAUSED, schema.FIXED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            ways = ", ".join(f"{counts[how]} {how}" for how in schema.WAYS[part] if counts[how])
            cells += [int(counts.sum()), ways]
        changes.append(cells)
    heads = ["strategy", schema.CAUSED, "how", schema.FIXED, "how"]
    return [Table(heads, changes, ERRORS_READING) if changes else "No strategy ran beside dense."]


def exits_parts(exits: pd.DataFrame) -> Parts:
    """Counts the words that exit, and the entity words among them that are wrong."""
    if exits.empty:
        return ["No strategy with gates ran."]
    cells = []
    for label, of in exits.groupby("label", sort=False):
        entities = of[of["gold"] != "O"]
        words = entities.drop_duplicates("gold")["words"].sum()
        outside = of.loc[of["gold"] == "O", "share_exited"].sum()
        totals = entities[["exited", "wrong_at_gate", "dense_right"]].sum()
        within = totals["exited"] / words if words else float("nan")
        cells.append([label, share(outside), share(within), totals["wrong_at_gate"], totals["dense_right"]])
    heads = ["strategy", "outside exited", "entity words exited", "exited, wrong label", "wrong here, right in dense"]
    return [Table(heads, cells, EXITS_READING)]


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


def cost_parts(rows: Sequence[ResultRow], cost: pd.DataFrame) -> Parts:
    """MACs and memory of our own strategies."""
    size = min(row["batch_size"] for row in rows)
    held = cost[cost["group"] == schema.RESIDENT].set_index("label")["value"]
    cells = []
    for row in rows:
        macs = row["gmacs_per_document"]
        if row["batch_size"] == size and macs is not None and not math.isnan(macs):
            memory = f"{held[row['label']]:.0f}" if row["label"] in held else ""
            cells.append([row["label"], f"{macs:.4g}", ratio(row["theoretical_speedup"]), memory])
    return [Table(["strategy", "10⁹ MACs", "theoretical speed-up", "memory, MiB"], cells, COST_READING)]


def about_parts(about: Mapping[str, Any]) -> Parts:
    """The facts of a run."""
    facts = {name: code(value) if name == "command" else escape(value) for name, value in about.items()}
    facts["settings"] = "[results.json](results.json)"
    return [bullets(f"{escape(name)}: {fact}" for name, fact in facts.items())]
