"""``report.md`` and the table on the terminal, from the rows of the CSV files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from eval.measure.variants import RANDOM_SEEDS
from eval.render.conclusions import conclusions, pace, points

Row = dict[str, Any]

SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "**not a benchmark**."
)
READING = (
    "F1 counts exact (document, start, end, type) spans, micro-averaged. Brackets are 95 % intervals of a paired "
    "bootstrap, of F1 over documents and of times over batches; *(none)*: the difference lies inside its interval. "
    "Speed-up is the sum of dense whole-call times divided by the sum of the variant's, measured in this run; promised "
    f"is the ratio of multiply-adds. The F1 of `random` is the mean of {RANDOM_SEEDS} seeds, its times and costs are "
    "those of the first. Costs of `hf` include its padding; those of rivals are not known."
)
TYPES_READING = (
    "F1 of each scored type counts exact spans, like that over all; seqeval's is strict IOB2 on words, the number that "
    "papers report; unscored predictions are of types that the corpus does not annotate and count as nothing."
)
# Brackets matter where a link follows, underscores where no word goes on, other characters everywhere.
_MARKUP = re.compile(r"[\\`*<>|~&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")


def escape(text: object) -> str:
    """Text as it is in Markdown and HTML, on one line."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", " ".join(str(text).split()))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are escaped already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def frame(rows: pd.DataFrame) -> str:
    """A data frame as a Markdown table: numbers rounded, text escaped, nothing for what is missing."""
    cells = [[_cell(value) for value in row] for row in rows.itertuples(index=False)]
    return table([escape(str(name).replace("_", " ")) for name in rows.columns], cells)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return escape(value)


def results_table(rows: Sequence[Row], intervals: Sequence[Row]) -> str:
    """F1, what is lost against dense, speed-up, all with their intervals, and cost."""
    by_key = {(i["strategy"], i["batch_size"]): i for i in intervals if i["against"] == "dense"}
    lines = []
    for row in rows:
        interval = by_key[row["strategy"], row["batch_size"]]
        known = not pd.isna(row["gmacs_per_document"])
        lines.append(
            [
                str(row["batch_size"]),
                _named(row),
                f"{row['f1']:.4f} [{interval['f1_low']:.4f}, {interval['f1_high']:.4f}]",
                f"{row['precision']:.4f}",
                f"{row['recall']:.4f}",
                points(interval),
                f"{row['latency_ms_median']:.1f}, {row['latency_ms_p95']:.1f}",
                pace(interval),
                f"{row['promised_speedup']:.2f}×" if known else "",
                f"{row['token_layers_kept']:.1%}" if known else "",
                f"{row['gmacs_per_document']:.2f}" if known else "",
            ]
        )
    return table(
        [
            "batch",
            "strategy",
            "F1 [95 %]",
            "P",
            "R",
            "against dense, points [95 %]",
            "latency ms (median, p95)",
            "speed-up [95 %]",
            "promised",
            "token-layers kept",
            "GMACs/doc",
        ],
        lines,
    )


def _named(row: Row) -> str:
    """The strategy with its operating point."""
    name, point = str(row["strategy"]), row["point"]
    return escape(name) + (f" ({escape(point)})" if point and not name.endswith(f":{point}") else "")


def types_table(rows: Sequence[Row]) -> str:
    """F1 of each scored type, seqeval's F1 and predictions of types that are not scored."""
    types = [key for key in rows[0] if key.startswith("f1_") and key != "f1_seqeval"]
    cells = []
    for row in rows:
        scores = [f"{row[key]:.4f}" for key in (*types, "f1_seqeval")]
        cells.append([str(row["batch_size"]), escape(row["strategy"]), *scores, str(row["unscored_predictions"])])
    heads = [f"F1 {escape(key.removeprefix('f1_'))}" for key in types]
    return table(["batch", "strategy", *heads, "F1 seqeval", "unscored predictions"], cells)


def duels_table(intervals: Sequence[Row]) -> str:
    """What prunes against truncate-k, rivals, as many words by chance, and itself without recovery."""
    duels = [row for row in intervals if row["against"] != "dense"]
    cells = [[str(r["batch_size"]), escape(r["strategy"]), escape(r["against"]), points(r), pace(r)] for r in duels]
    return table(["batch", "strategy", "against", "F1, points [95 %]", "speed ratio [95 %]"], cells) if duels else ""


def cost_tables(cost: pd.DataFrame) -> str:
    """``cost.csv`` as one table for each measure."""
    titles = {
        "gmacs": "Multiply-adds (10⁹ a document) by formula, and by torch's counter with the rows that rounding adds; "
        "first documents one by one",
        "token_layers": "Share of the dense rows that each layer computed",
        "speed": "Speed-up against dense: promised by multiply-adds, and realised",
        "peak_mib": "Peak memory of tensors during a call on the first batch, weights not counted (MiB)",
        "ms": "Where the time of a call goes, ms a document (first documents; timers on)",
    }
    cost = cost.assign(part=cost["measure"].where(~cost["measure"].str.contains("realised|promised"), "speed"))
    parts = []
    for part, title in titles.items():
        rows = cost[cost["part"] == part]
        if rows.empty:
            continue
        columns, index = ("measure", [*_BY, "group"]) if part == "speed" else ("group", list(_BY))
        keys = rows[index].drop_duplicates()
        wide = rows.pivot_table(index=index, columns=columns, values="value", sort=False).reset_index()
        parts += [f"### {title}", frame(keys.merge(wide, how="left"))]
    return "\n\n".join(parts)


_BY = ("batch_size", "strategy")


def report(
    rows: Sequence[Row],
    intervals: Sequence[Row],
    sections: Mapping[str, str],
    about: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """The text of ``report.md``.

    Args:
        rows: of ``results.csv``.
        intervals: of ``intervals.csv``.
        sections: heading → Markdown, of further parts.
        about: facts on the run, name → value in Markdown.
        notes: remarks that a reader must not miss.
    """
    first = rows[0]
    duels = duels_table(intervals)
    parts = [
        f"# {escape(first['corpus'])} {escape(first['split'])}: F1 against latency",
        *(f"> {note}" for note in notes),
        " ".join(conclusions(intervals)),
        "## Frontier",
        "![F1 against latency](f1_vs_latency.png)",
        "## Results",
        results_table(rows, intervals),
        READING,
        "### By type",
        types_table(rows),
        TYPES_READING,
        *(("### Against rivals, stopping early, chance and no recovery", duels) if duels else ()),
        *(part for heading, text in sections.items() for part in (f"## {heading}", text)),
        "## How this was measured",
        "\n".join(f"- {name}: {value}" for name, value in about.items()),
    ]
    return "\n\n".join(parts) + "\n"
