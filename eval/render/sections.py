"""The sections of a report about results, ablations, cost and the run; each from its files alone.

Tables of variants are `labelled`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from eval import schema
from eval.render.files import IntervalRow, ResultRow, reference_row, rows_of
from eval.render.pages import Table
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
from eval.schema import BASELINE, CASCADE, LAMBDA, MODEL, RANDOM, RECOVERY, Ablation
from eval.statistics import FEWEST, STEADY

Parts = list[str | Table]

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
ABLATIONS_READING = (
    "One setting varies at a time, and all others stay as stored, with three exceptions: for `min_keep_ratio`, λ of "
    "`rule` is the largest; for `recovery_limit`, the trigger is `any`; all values of *recovery*, *off* included, have "
    "the gates of `entropy+recovery`. Nothing was timed: the theoretical speed-up is dense ÷ own MACs. Changed "
    "predictions are counted against the default."
)
COST_READING = (
    "MACs of a document, how many times as many `dense` takes, and the memory of a process with the strategy alone "
    "after a call. What each layer computed: [cost.csv](cost.csv)."
)


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
    """A table for each batch size, how to read it, and all pairs."""
    parts: Parts = []
    for size, table in results_tables(rows, intervals).items():
        parts += [f"### Batch size {size}", table]
    return [*parts, reading(rows), *_cascades(rows, intervals), *_pairs(rows, intervals)]


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


def _pairs(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> Parts:
    """All comparisons but those with dense in the first dtype."""
    dense = reference_row(rows)["label"]
    cells = [
        [row["batch_size"], row["label"], row["against_label"], pp(row), speedup(row)]
        for row in intervals
        if row["against_label"] != dense
    ]
    heads = ["batch", "strategy", "against", "F1, pp [95 %]", "speed-up [95 %]"]
    return [Table(heads, cells, f"Pair by pair: {len(cells)} comparisons", folded=True)] if cells else []


def failures(ablations: pd.DataFrame) -> list[str]:
    """Sentences on the settings that fail their checks.

    A larger λ must lower the share of token-layers. Each recovery trigger, and at least one value of every other
    setting, must have an effect.
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
        if setting == RECOVERY:
            dead = changed.loc[~changed["effect"], "value"]
            found += [f"recovery of {strategy}: expected an effect of trigger {value}, got none" for value in dead]
        elif len(changed) and not changed["effect"].any():
            values = ", ".join(of["value"])
            found.append(
                f"{setting} of {strategy}: expected an effect on predictions, cost or trace, got none ({values})"
            )
    return found


def ablations_parts(ablations: pd.DataFrame) -> Parts:
    """Failures, the plot, and every value of every setting."""
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
    plot = "![F1 against dense over the share of token-layers kept](ablations.png)"
    return [*warnings, plot, Table(columns, cells, ABLATIONS_READING)]


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
    """The facts of a run; settings folded."""
    facts = {name: code(value) if name == "command" else escape(value) for name, value in about.items()}
    facts["settings"] = "[results.json](results.json)"
    settings = [(name, json.dumps(of)) for name, of in about["settings"].items()]
    return [
        bullets(f"{escape(name)}: {fact}" for name, fact in facts.items()),
        Table(["strategy", "settings"], settings, "Settings", folded=True),
    ]
