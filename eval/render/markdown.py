"""Tables and text in Markdown, from the rows of the CSV files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from eval import schema
from eval.render.files import IntervalRow, ResultRow, reference
from eval.render.numbers import NOT_SIGNIFICANT, f1_interval, points, ratio, score, speedup, verdict
from eval.schema import BASELINE, HF, MODEL, RANDOM, RANDOM_SEEDS
from eval.statistics import FEWEST, STEADY

READING = (
    "F1 counts exact (document, start, end, type) spans, micro-averaged. Brackets are 95 % intervals of a paired "
    f"bootstrap, of F1 over documents and of times over batches; {NOT_SIGNIFICANT}: not significant, the interval "
    "includes no difference. The speed-up is the sum of dense end-to-end times divided by the sum of the variant's, "
    "measured in this run; the theoretical one is the ratio of MACs."
)
KINDS_READING = {
    RANDOM: (
        f"The F1 of `random` is the mean of {RANDOM_SEEDS} seeds; its times, costs, errors, exits and groups are those "
        "of the first."
    ),
    HF: "Costs of `hf` include its padding.",
    BASELINE: "Costs of baselines are not known.",
    MODEL: "Costs of other models are not known.",
}
DTYPES_READING = (
    "F1 and speed-up are compared with dense in {}; *against dense of the same dtype* is the speed-up alone. Errors, "
    "exits, groups and costs below compare each strategy with dense of its own dtype."
)
TYPES_READING = (
    "F1 of each scored type counts exact spans, like that over all; seqeval's is strict IOB2 on words, the number that "
    "papers report; unscored predictions are of types that the corpus does not annotate and count as nothing."
)
# Brackets matter only before link targets, underscores at word boundaries, other characters everywhere.
_MARKUP = re.compile(r"[\\`*<>|~&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")


def escape(text: object) -> str:
    """Escapes text for Markdown and HTML, on one line."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", " ".join(str(text).split()))


def code(text: str) -> str:
    """Text as inline code, between more backticks than it has in a row."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence}{line}{fence}" if fence == "`" else f"{fence} {line} {fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of already escaped cells."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def captioned(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A caption and a table below it; escapes the cells."""
    return f"{caption}\n\n{table([escape(name) for name in columns], [[escape(cell) for cell in row] for row in rows])}"


def frame(rows: pd.DataFrame) -> str:
    """A data frame as a Markdown table: numbers rounded, text escaped, missing values empty."""
    cells = [[_cell(value) for value in row] for row in rows.itertuples(index=False)]
    return table([escape(str(name).replace("_", " ")) for name in rows.columns], cells)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return escape(value)


def results_table(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> str:
    """F1, its difference from dense and speed-up, with intervals, and cost; dtypes if there are several."""
    dense = reference(rows)
    by_key = {(i["label"], i["batch_size"]): i for i in intervals if i["against_label"] == dense}
    several = len({row["dtype"] for row in rows}) > 1
    lines = []
    for row in rows:
        interval = by_key[row["label"], row["batch_size"]]
        kept, gmacs, own = row["token_layers_kept"], row["gmacs_per_document"], row["speedup_vs_dense_same_dtype"]
        lines.append(
            [
                str(row["batch_size"]),
                _named(row),
                *([row["dtype"]] if several else []),
                f1_interval(interval),
                score(row["precision"]),
                score(row["recall"]),
                points(interval),
                f"{row['latency_ms_median']:.1f}, {row['latency_ms_p95']:.1f}",
                speedup(interval),
                *([ratio(own)] if several else []),
                ratio(row["theoretical_speedup"]),
                "" if pd.isna(kept) else f"{kept:.1%}",
                "" if pd.isna(gmacs) else f"{gmacs:.2f}",
            ]
        )
    return table(
        [
            "batch",
            "strategy",
            *(["dtype"] if several else []),
            "F1 [95 %]",
            "P",
            "R",
            "F1 against dense, points [95 %]",
            "latency ms (median, p95)",
            "speed-up [95 %]",
            *(["against dense of the same dtype"] if several else []),
            "theoretical",
            "token-layers kept",
            "GMACs/doc",
        ],
        lines,
    )


def _named(row: ResultRow) -> str:
    """The strategy with its operating point, unless the name has it."""
    name, point = row["strategy"], row["point"]
    return escape(name) + (f" ({escape(point)})" if point and not name.endswith(f":{point}") else "")


def reading(rows: Sequence[ResultRow]) -> str:
    """How to read the table of results: notes on all rows, and on kinds of rows present."""
    kinds = {row["kind"] for row in rows}
    parts = [READING, *(text for kind, text in KINDS_READING.items() if kind in kinds)]
    sizes = {row["batch_size"]: -(-row["timed_documents"] // row["batch_size"]) for row in rows}
    few = [f"{batches} batches of {size}" for size, batches in sizes.items() if FEWEST <= batches < STEADY]
    if few:
        parts.append(f"Intervals over few batches are too narrow; there are {' and '.join(few)}.")
    return " ".join(parts)


def types_table(rows: Sequence[ResultRow]) -> str:
    """F1 of each scored type, seqeval's F1 and predictions of types that are not scored."""
    types = [key for key in rows[0] if key not in schema.columns(ResultRow)]
    cells = []
    for row in rows:
        scores: Mapping[str, Any] = row
        shown = [score(scores[key]) for key in (*types, "f1_seqeval")]
        cells.append([str(row["batch_size"]), escape(row["label"]), *shown, str(row["unscored_predictions"])])
    heads = [f"F1 {escape(key.removeprefix('f1_'))}" for key in types]
    return table(["batch", "strategy", *heads, "F1 seqeval", "unscored predictions"], cells)


def pairs_table(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> str:
    """Every pruning strategy against all that it must beat, in numbers and in words; empty if there is no pair.

    With several dtypes, also every variant against dense in its own.
    """
    dense = reference(rows)
    cells = [
        [str(r["batch_size"]), escape(r["label"]), escape(r["against_label"]), points(r), speedup(r), verdict(r)]
        for r in intervals
        if r["against_label"] != dense
    ]
    heads = ["batch", "strategy", "against", "F1, points [95 %]", "speed-up [95 %]", "what differs significantly"]
    return table(heads, cells) if cells else ""


def about_list(about: Mapping[str, Any]) -> str:
    """The facts of a run; commands and settings as code."""
    lines = []
    for name, value in about.items():
        if name == "command":
            shown = code(value)
        elif name == "settings":
            shown = "; ".join(f"{escape(strategy)} {code(json.dumps(of))}" for strategy, of in value.items()) or "none"
        else:
            shown = escape(value)
        lines.append(f"- {escape(name)}: {shown}")
    return "\n".join(lines)
