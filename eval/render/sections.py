"""The sections of a report, each a function of its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from eval import schema
from eval.render.folder import ReportFolder, rows_of
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
from eval.schema import BASELINE, CASCADE, DENSE, MODEL, RANDOM
from eval.statistics import FEWEST, STEADY

READING = (
    "F1 counts exact (document, start, end, type) spans, micro-averaged; F1 seqeval is strict IOB2 on words, the "
    "number that papers report. A speed-up is the sum of the end-to-end times of {dense} divided by the variant's, in "
    "this run; a theoretical one is the ratio of MACs. Intervals are those of "
    f"a paired bootstrap over documents or batches; {NOT_SIGNIFICANT} means that they include zero difference; over "
    f"fewer than {FEWEST} batches there is neither interval nor ratio. "
    "Precision, recall and latencies are in [results.csv](results.csv), all intervals, those against dense in the same "
    "dtype among them, in [intervals.csv](intervals.csv)."
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
    "Among errors and exits, words that the large model does not read exit after the last layer of the small one, "
    "whose layers come first; *context lost* says that the large model read the words, and the mean of both models, or "
    "less context, decided."
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


def results_tables(report: ReportFolder) -> dict[int, Table]:
    """The main figures of every variant, by batch size."""
    columns: tuple[str, ...] = (
        "variant", "F1", "against dense, pp [95 %]", "F1 seqeval", f"× {report.dense['variant']} [95 %]",
        "theoretical", "token-layers kept",
    )  # fmt: skip
    if cascades := any(row["kind"] == CASCADE for row in report.rows):
        columns = (*columns, READ)
    cells: dict[int, list[list[str]]] = {size: [] for size in report.sizes}
    for row in report.rows:
        interval = report.against_dense(row["variant"], row["batch_size"])
        point = f", {row['point']}" if row["point"] and f":{row['point']}" not in row["variant"] else ""
        figures = score(row["f1"]), pp(interval), score(row["f1_seqeval"]), speedup(interval)
        cost = ratio(row["theoretical_speedup"]), share(row["token_layers_kept"])
        read = [share(row["read_by_large"])] if cascades else []
        cells[row["batch_size"]].append([row["variant"] + point, *figures, *cost, *read])
    return {size: Table(columns, of_size) for size, of_size in cells.items()}


def results_parts(report: ReportFolder) -> Parts:
    """A table for each batch size, how to read it, and what the large model of a cascade adds."""
    parts: list[str | Table] = []
    for size, table in results_tables(report).items():
        parts += [f"### Batch size {size}", table]
    return [*parts, reading(report), *_cascades(report)]


def _cascades(report: ReportFolder) -> Parts:
    """Cascades beside other models, such as the small one alone."""
    others = [row["variant"] for row in report.variants if row["kind"] == MODEL]
    cells = []
    for row in (row for row in report.variants if row["kind"] == CASCADE):
        for interval in filter(None, (report.interval(row["variant"], other) for other in others)):
            other = interval["against"], score(row["f1"] - interval["difference"])
            cells.append([row["variant"], share(row["read_by_large"]), score(row["f1"]), *other, pp(interval)])
    heads = ["variant", READ, "F1", "against", "its F1", "difference, pp [95 %]"]
    return ["### What the large model adds", Table(heads, cells, CASCADES_READING)] if cells else []


def reading(report: ReportFolder) -> str:
    """Explains the tables of results: all rows, and the kinds of rows that are present."""
    kinds = {row["kind"] for row in report.rows}
    parts = [READING.format(dense=code(report.dense["variant"]))]
    parts += [text for of, text in KINDS_READING.items() if kinds.intersection(of)]
    batches = {size: -(-report.dense["timed_documents"] // size) for size in report.sizes}
    if few := [f"{count} batches of {size}" for size, count in batches.items() if FEWEST <= count < STEADY]:
        parts.append(f"Intervals over few batches are too narrow; there are {join(few)}.")
    return " ".join(parts)


def errors_parts(report: ReportFolder) -> Parts:
    """The errors that pruning caused and fixed."""
    errors, changes = report.table("errors"), []
    for variant in errors.loc[errors["part"] == schema.CAUSED, "variant"].unique():
        own = errors[errors["variant"] == variant]
        cells: list[object] = [variant]
        for part in (schema.CAUSED, schema.FIXED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            ways = ", ".join(f"{counts[how]} {how}" for how in schema.WAYS[part] if counts[how])
            cells += [int(counts.sum()), ways]
        changes.append(cells)
    heads = ["variant", schema.CAUSED, "how", schema.FIXED, "how"]
    return [Table(heads, changes, ERRORS_READING) if changes else "No strategy ran beside dense."]


def exits_parts(report: ReportFolder) -> Parts:
    """Counts the words that exit, and the entity words among them that are wrong."""
    exits, cells = report.table("exits"), []
    if exits.empty:
        return ["No strategy with gates ran."]
    for variant, own in exits.groupby("variant", sort=False):
        entities = own[own["gold"] != "O"]
        words = entities.drop_duplicates("gold")["words"].sum()
        outside = own.loc[own["gold"] == "O", "share_exited"].sum()
        totals = entities[["exited", "wrong_at_gate", "dense_right"]].sum()
        within = totals["exited"] / words if words else float("nan")
        cells.append([variant, share(outside), share(within), totals["wrong_at_gate"], totals["dense_right"]])
    heads = ["variant", "outside exited", "entity words exited", "exited, wrong label", "wrong here, right in dense"]
    return [Table(heads, cells, EXITS_READING)]


def groups_parts(report: ReportFolder) -> Parts:
    """F1 against dense in every group of mentions."""
    groups, rows = report.table("subgroups"), []
    if groups.empty:
        return ["No mentions, no groups."]
    names = [str(variant) for variant in groups.loc[groups["kind"] != DENSE, "variant"].unique()]
    for group, own in groups.groupby(["dimension", "group"], sort=False):
        by_variant = {row["variant"]: row for row in rows_of(own)}
        dense = by_variant[report.dense["variant"]]
        cells = [pp(by_variant[name]) for name in names]
        rows.append([*group, dense["support"], f1_interval(dense), score(dense["recall"]), *cells])
    about = GROUPS_READING + (TRAINING_READING if (groups["dimension"] == schema.TRAINING).any() else NO_TRAINING)
    columns = ["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *names]
    return [Table(columns, rows, about)]


def cost_parts(report: ReportFolder) -> Parts:
    """MACs and memory of our own strategies."""
    cost, cells = report.table("cost"), []
    held = cost[cost["group"] == schema.RESIDENT].set_index("variant")["value"]
    for row in report.variants:
        macs = row["gmacs_per_document"]
        if macs is not None and not math.isnan(macs):
            memory = f"{held[row['variant']]:.0f}" if row["variant"] in held else ""
            cells.append([row["variant"], f"{macs:.4g}", ratio(row["theoretical_speedup"]), memory])
    return [Table(["variant", "10⁹ MACs", "theoretical speed-up", "memory, MiB"], cells, COST_READING)]


def about_parts(about: Mapping[str, Any]) -> Parts:
    """The facts of a run."""
    facts = {name: code(value) if name == "command" else escape(value) for name, value in about.items()}
    facts["settings"] = "[results.json](results.json)"
    return [bullets(f"{escape(name)}: {fact}" for name, fact in facts.items())]
