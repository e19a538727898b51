"""The sections of a report and the page of cases, each only from its files; tables are `labelled`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from eval import schema
from eval.render.files import GapRow, IntervalRow, ResultRow, records, reference_row
from eval.render.html import Report, Section, Table
from eval.render.markdown import bullets, code, escape
from eval.render.numbers import NOT_SIGNIFICANT, f1_interval, pp, ratio, score, share, speedup, verdict
from eval.schema import BASELINE, DENSE, HF, MODEL, RANDOM, Group, labels
from eval.statistics import FEWEST, STEADY

Parts = list[str | Table]

READING = (
    "F1 counts exact (document, start, end, type) spans, micro-averaged, and is compared with {} in pp (percentage "
    "points). The speed-up is the sum of its end-to-end times divided by the variant's, in this run; the theoretical "
    "one is the ratio of MACs. Brackets are 95 % intervals of a paired bootstrap over documents or batches; "
    f"{NOT_SIGNIFICANT}: not significant, the interval includes no difference. Precision, recall, latencies and "
    "speed-ups against dense of the same dtype are in [results.csv](results.csv), all intervals in "
    "[intervals.csv](intervals.csv)."
)
KINDS_READING = {
    RANDOM: (
        f"The F1 of `random` is the mean of {schema.RANDOM_SEEDS} seeds; its times, costs, errors, exits and groups "
        "are those of the first."
    ),
    HF: "Costs of `hf` include its padding.",
    BASELINE: "Costs of baselines are not known.",
    MODEL: "Costs of other models are not known.",
}
TYPES_READING = (
    "F1 of each scored type counts exact spans, like that over all; seqeval's is strict IOB2 on words, the number that "
    "papers report; unscored predictions are of types that the corpus does not annotate and count as nothing."
)
OWN_DTYPE = "Each strategy is compared with dense of its own dtype."


def results_tables(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> dict[int, Table]:
    """The main figures of every variant, by batch size."""
    dense = reference_row(rows)["label"]
    by_key = {(i["label"], i["batch_size"]): i for i in intervals if i["against_label"] == dense}
    columns = (
        "strategy",
        "F1",
        "against dense, pp [95 %]",
        "speed-up [95 %]",
        "theoretical",
        "token-layers kept",
    )
    lines: dict[int, list[Sequence[str]]] = {}
    for row in rows:
        interval = by_key[row["label"], row["batch_size"]]
        cost = ratio(row["theoretical_speedup"]), share(row["token_layers_kept"])
        lines.setdefault(row["batch_size"], []).append(
            (_named(row), score(row["f1"]), pp(interval), speedup(interval), *cost)
        )
    return {size: Table(columns, of) for size, of in sorted(lines.items())}


def _named(row: ResultRow) -> str:
    """A variant with its operating point, unless the name has it."""
    point = row["point"]
    return row["label"] + (f", {point}" if point and not row["strategy"].endswith(f":{point}") else "")


def results_parts(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> Parts:
    """A table for each batch size, how to read it, F1 by type, and all pairs."""
    parts: Parts = []
    for size, table in results_tables(rows, intervals).items():
        parts += [f"### Batch size {size}", table]
    return [*parts, reading(rows), "### By type", _types(rows), TYPES_READING, *_pairs(rows, intervals)]


def reading(rows: Sequence[ResultRow]) -> str:
    """How to read the table of results: notes on all rows, and on kinds of rows present."""
    kinds = {row["kind"] for row in rows}
    parts = [READING.format(code(reference_row(rows)["label"]))]
    parts += [text for kind, text in KINDS_READING.items() if kind in kinds]
    sizes = {row["batch_size"]: -(-row["timed_documents"] // row["batch_size"]) for row in rows}
    few = [f"{batches} batches of {size}" for size, batches in sizes.items() if FEWEST <= batches < STEADY]
    if few:
        parts.append(f"Intervals over few batches are too narrow; there are {' and '.join(few)}.")
    return " ".join(parts)


def _types(rows: Sequence[ResultRow]) -> Table:
    """F1 of each scored type at the smallest batch size, seqeval's F1 and predictions of types that are not scored."""
    size = min(row["batch_size"] for row in rows)
    types = [key for key in rows[0] if key not in schema.columns(ResultRow)]
    cells = []
    for row in rows:
        if row["batch_size"] == size:
            scores: Mapping[str, Any] = row
            cells.append([row["label"], *(score(scores[key]) for key in (*types, "f1_seqeval"))])
            cells[-1].append(str(row["unscored_predictions"]))
    heads = [f"F1 {key.removeprefix('f1_')}" for key in types]
    return Table(["strategy", *heads, "F1 seqeval", "unscored predictions"], cells, f"At batch size {size}.")


def _pairs(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> Parts:
    """Every pruning strategy against all that it must beat; with several dtypes, all against dense in their own."""
    dense = reference_row(rows)["label"]
    cells = [
        [r["batch_size"], r["label"], r["against_label"], pp(r), speedup(r), verdict(r)]
        for r in intervals
        if r["against_label"] != dense
    ]
    heads = ["batch", "strategy", "against", "F1, pp [95 %]", "speed-up [95 %]", "what differs significantly"]
    return [Table(heads, cells, f"Pair by pair: {len(cells)} comparisons", folded=True)] if cells else []


def errors_parts(errors: pd.DataFrame, confusion: pd.DataFrame) -> Parts:
    """What pruning caused and fixed, outcomes against gold and dense, and confusions of types."""
    changes = []
    for label in errors.loc[errors["part"] == schema.CAUSED, "label"].unique():
        own = errors[errors["label"] == label]
        changes.append([label])
        for part in (schema.CAUSED, schema.FIXED):
            counts = own[own["part"] == part].groupby("how")["count"].sum()
            changes[-1] += [
                int(counts.sum()),
                ", ".join(f"{counts[how]} {how}" for how in schema.WAYS[part] if counts[how]),
            ]
    caption = (
        f"Errors that pruning caused (dense right, the strategy wrong) and fixed (the reverse), spurious predictions "
        f"among them; `eval/analysis/errors.py` defines how. {OWN_DTYPE} All counts: [errors.csv](errors.csv), "
        "[confusion.csv](confusion.csv)."
    )
    outcomes = []
    for part in (schema.AGAINST_GOLD, schema.AGAINST_DENSE):
        of = errors[errors["part"] == part]
        counts = of.pivot_table(index="label", columns="outcome", values="count", aggfunc="sum", sort=False)
        outcomes += [[name, part, *(int(counts.loc[name, one]) for one in schema.OUTCOMES)] for name in counts.index]
    predicted = list(confusion["predicted"].unique())
    cells = confusion.set_index(["label", "gold", "predicted"])["count"]
    confused = [
        [label, gold, *(cells.get((label, gold, one), "") for one in predicted)]
        for label, gold in confusion[["label", "gold"]].drop_duplicates().itertuples(index=False)
    ]
    about_types = "Gold types (rows) against predicted ones, boundaries aside; *none*: no partner"
    return [
        Table(["strategy", schema.CAUSED, "how", schema.FIXED, "how"], changes, caption)
        if changes
        else "No strategy ran beside dense.",
        Table(["strategy", "mentions", *schema.OUTCOMES], outcomes, "Mentions by outcome", folded=True),
        Table(["strategy", "gold", *predicted], confused, about_types, folded=True),
    ]


def exits_parts(exits: pd.DataFrame) -> Parts:
    """How many words exit, how many entity words are wrong then, and all of it by layer and label."""
    if exits.empty:
        return ["No strategy with gates ran."]
    names = list(exits["gold"].unique())
    summary, rows = [], []
    for label, of in exits.groupby("label", sort=False):
        entities = of[of["gold"] != "O"]
        words = entities.drop_duplicates("gold")["words"].sum()
        outside = of.loc[of["gold"] == "O", "share_exited"].sum()
        found = entities[["exited", "wrong_at_gate", "dense_right"]].sum()
        within = found["exited"] / words if words else float("nan")
        summary.append([label, share(outside), share(within), found["wrong_at_gate"], found["dense_right"]])
        for layer, at in of.groupby("layer", sort=False):
            shares = at.set_index("gold")["share_exited"]
            counts = at[at["gold"] != "O"][["exited", *schema.FATES, "dense_right"]].sum()
            rows.append([label, layer, *(share(shares[name]) for name in names), *counts])
    caption = (
        "How many words outside entities and in entities exit early, how many of the latter keep a wrong label, and "
        "how many of the wrong ones (recovered ones among them) dense labels correctly. By layer and label: "
        "[exits.csv](exits.csv)."
    )
    heads = ["strategy", "outside exited", "entity words exited", "of these wrong at the gate", "dense right"]
    by_layer = [
        "strategy", "layer", *names, "entity words", "right", "wrong", "recovered, right", "recovered, wrong",
        "dense right",
    ]  # fmt: skip
    folded = "By layer: the share of words of each gold label that exit there, and what becomes of the entity words"
    return [Table(heads, summary, caption), Table(by_layer, rows, folded, folded=True)]


def groups_parts(groups: pd.DataFrame, gaps: pd.DataFrame) -> Parts:
    """The largest gap of each strategy in words, and F1 against dense in every group."""
    if groups.empty:
        return ["No mentions, no groups."]
    names = [str(label) for label in groups.loc[groups["strategy"] != DENSE, "label"].unique()]
    rows = []
    for group, of in groups.groupby(["dimension", "group"], sort=False):
        by_label: dict[str, Group] = {row["label"]: row for row in records(of)}
        dense = records(of[of["strategy"] == DENSE])[0]
        cells = [_in_group(by_label[name]) if name in by_label else "" for name in names]
        rows.append([*group, dense["support"], f1_interval(dense), score(dense["recall"]), *cells])
    about = (
        "Groups are properties of gold mentions and predictions alike, so that each has an F1; recall looks at gold "
        f"alone. {OWN_DTYPE} Intervals of the gaps hold for all pairs of groups at once, those of single groups (bars) "
        "do not. All figures: [subgroups.csv](subgroups.csv), [gaps.csv](gaps.csv)."
    )
    if set(schema.OF_TRAINING) & set(groups["dimension"]):
        about += (
            " *Seen*, *unseen* and *frequency*: whether and how often the mention's text stands in the corpus' own "
            "training split. They say nothing about weights that were trained on other text."
        )
    else:
        about += " Groups by training mentions are left out: there was no training split beside this one."
    columns = ["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *names]
    folded = (
        "F1 against dense in pp [95 %] in every group; then the share of layers that its gold mentions went through"
    )
    found = [bullets(largest_gap(name, records(gaps)) for name in names)] if names else []
    return [*found, about, Table(columns, rows, folded, folded=True)]


def _in_group(row: Group) -> str:
    kept = share(row["keep_rate"])
    return pp(row) + (f"; {kept}" if kept else "")


def largest_gap(label: str, gaps: Iterable[GapRow]) -> str:
    """The largest significant gap of a strategy in words, else the largest of all."""
    own = [gap for gap in gaps if gap["label"] == label]
    name = code(label)
    if not own:
        needed = f"{schema.MIN_SUPPORT} mentions and {FEWEST} documents"
        return f"{name}: no two groups of a kind have {needed} each, so none are compared."
    worst = min(own, key=lambda gap: (not gap["significant"], gap["gap"]))
    if not worst["gap"]:
        return f"{name}: no gap. All {worst['compared']} pairs of groups lose alike."
    numbers = f"{-worst['gap'] * 100:.2f} pp [{-worst['high'] * 100:.2f}, {-worst['low'] * 100:.2f}]"
    pair = escape(f"{worst['group']} against {worst['other']} ({worst['dimension']})")
    if worst["significant"]:
        compared = f"{worst['compared']} pairs compared"
        return f"{name}: the largest significant gap is {pair}: {numbers} more F1 lost; {compared}."
    return f"{name}: no significant gap. The largest of {worst['compared']} pairs is {pair}: {numbers}."


def cost_parts(cost: pd.DataFrame) -> Parts:
    """One table per measure of ``cost.csv``; all speed-ups share one."""
    titles = {
        schema.MEASURED: "Speed-up against dense by length: theoretical, by MACs, and measured",
        schema.GMACS: "MACs (10⁹ a document) by formula, and by torch's counter with the rows that rounding adds; "
        "first documents one by one",
        schema.TOKEN_LAYERS: "Share of the dense rows that each layer computed",
        schema.PEAK_MEMORY: "Peak memory of tensors during a call on the first batch, weights not counted (MiB)",
        schema.HELD_MEMORY: "Memory held between calls, weights and packed copies of them included (MiB)",
        schema.MILLISECONDS: "Where the time of a call goes, ms a document (first documents)",
    }
    cost = cost.assign(part=cost["measure"].where(~cost["measure"].isin(schema.SPEEDUPS), schema.MEASURED))
    by = ["batch_size", "label"]
    parts: Parts = ["By component and length of document: [cost.csv](cost.csv)."]
    for part, title in titles.items():
        rows = cost[cost["part"] == part]
        if not rows.empty:
            columns, index = ("measure", [*by, "group"]) if part == schema.MEASURED else ("group", by)
            wide = rows.pivot_table(index=index, columns=columns, values="value", sort=False).reset_index()
            wide = rows[index].drop_duplicates().merge(wide, how="left")
            cells = [[_cell(value) for value in row] for row in wide.itertuples(index=False)]
            heads = [{"batch_size": "batch", "label": "strategy"}.get(name, name) for name in wide.columns]
            parts.append(Table([name.replace("_", " ") for name in heads], cells, title, folded=True))
    return parts


def _cell(value: Any) -> str:
    return str(value) if not isinstance(value, float) else "" if pd.isna(value) else f"{value:.4g}"


def about_parts(about: Mapping[str, Any]) -> Parts:
    """The facts of a run; settings folded."""
    facts = {name: code(value) if name == "command" else escape(value) for name, value in about.items()}
    facts["settings"] = "[results.json](results.json)"
    settings = [(name, json.dumps(of)) for name, of in about["settings"].items()]
    return [
        bullets(f"{escape(name)}: {fact}" for name, fact in facts.items()),
        Table(["strategy", "settings"], settings, "Settings", folded=True),
    ]


def cases_page(record: Sequence[Mapping[str, Any]]) -> Report:
    """Real cases of what pruning caused and fixed, word by word, from ``cases.json``."""
    about = (
        f"The first {schema.CASES_OF_A_KIND} of each kind, in the order of the documents; the head of "
        "`eval/analysis/errors.py` says what the kinds mean. Scores are the top probabilities of the label heads."
    )
    names = labels((one["strategy"], one["dtype"]) for one in record)
    sections = []
    for of in record:
        counts = ", ".join(f"{count} {part} ({how})" for part, how, count in of["counts"])
        parts = [part for case in of["cases"] for part in _case(case)]
        sections.append(Section(names[of["strategy"], of["dtype"]], [f"In all: {counts}.", *parts]))
    nothing = [] if record else ["No strategy differs from dense in a way that the gold shows."]
    return Report("Cases: what pruning caused and fixed", sections, [about, *nothing])


def _case(case: Mapping[str, Any]) -> Parts:
    columns = ["word", *case["entities"], "exits after layer", "at the gates"]
    rows = [[word["text"], *word["labels"], _exit(word), _gates(word)] for word in case["words"]]
    return [
        f"### {case['part']}: {case['outcome']}, {case['how']}",
        f"Document {escape(case['document'])}.",
        bullets(f"{escape(side)}: {_entities(found)}" for side, found in case["entities"].items()),
        Table(columns, rows),
    ]


def _entities(found: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{escape(type_)} “{escape(text)}”" for type_, text in found) or "nothing"


def _exit(word: Mapping[str, Any]) -> str:
    return {"kept": "", "exited": f"{word['layer']}", "recovered": f"{word['layer']}, recovered"}[word["state"]]


def _gates(word: Mapping[str, Any]) -> str:
    return ", ".join(f"{layer}: {label} {probability:.2f}" for layer, label, probability in word["gates"])
