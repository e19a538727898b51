"""``report.md`` and the table on the terminal, from the rows of the CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "**not a benchmark**."
)


def results_table(rows: Sequence[Row], differences: Sequence[Row]) -> str:
    """A Markdown table: F1, what is lost against dense with its interval, speed-up, cost."""
    lines = [
        "| batch | strategy | F1 | P | R | against dense, points [95 %] | latency ms (median, p95) | speed-up "
        "| promised | token-layers kept | GMACs/doc |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row, difference in zip(rows, differences, strict=True):
        name = f"{row['strategy']} ({row['point']})" if row["point"] else row["strategy"]
        lines.append(
            f"| {row['batch_size']} | {name} | {row['f1']:.4f} | {row['precision']:.4f} | {row['recall']:.4f} "
            f"| {_points(difference)} | {row['latency_ms_median']:.1f}, {row['latency_ms_p95']:.1f} "
            f"| {row['speedup_vs_dense']:.2f}× | {row['promised_speedup']:.2f}× | {row['token_layers_kept']:.1%} "
            f"| {row['gmacs_per_document']:.2f} |"
        )
    return "\n".join(lines)


def _points(difference: Row) -> str:
    if difference["strategy"] == "dense":
        return "—"
    low, high = difference["low"] * 100, difference["high"] * 100
    text = f"{difference['difference'] * 100:+.2f} [{low:+.2f}, {high:+.2f}]"
    return text if low > 0 or high < 0 else f"{text} (none)"


def conclusions(rows: Sequence[Row], differences: Sequence[Row]) -> list[str]:
    """Sentences made from the numbers: what pruning gains and loses at each batch size, and where it is slower."""
    sentences = []
    for row, difference in zip(rows, differences, strict=True):
        name, size = row["strategy"], row["batch_size"]
        if name in ("dense", "hf"):
            continue
        speed = row["speedup_vs_dense"]
        pace = f"{speed:.2f} times as fast as dense" if speed >= 1 else f"**slower** than dense ({speed:.2f}×)"
        points = difference["difference"] * 100
        if difference["low"] <= 0 <= difference["high"]:
            cost = f"with no F1 difference beyond chance ({points:+.2f} points)"
        else:
            cost = f"and {'loses' if points < 0 else 'gains'} {abs(points):.2f} points of F1"
        sentences.append(f"At batch {size}, `{name}` is {pace} {cost}.")
    for row in rows:
        if row["strategy"] == "hf":
            sentences.append(
                f"At batch {row['batch_size']}, our dense pass runs at {1 / row['speedup_vs_dense']:.2f} times the "
                "speed of the plain Hugging Face model with the same weights; that is packing, not pruning."
            )
    return sentences


def report(rows: Sequence[Row], differences: Sequence[Row], about: dict[str, str], notes: Sequence[str]) -> str:
    """The text of ``report.md``.

    Args:
        rows: of ``results.csv``.
        differences: of ``differences.csv``, in the same order.
        about: facts on the run, name → value.
        notes: remarks that a reader must not miss.
    """
    first = rows[0]
    parts = [
        f"# {first['corpus']} {first['split']}: F1 against latency",
        *(f"> {note}" for note in notes),
        "\n".join(f"- {sentence}" for sentence in conclusions(rows, differences)),
        "![F1 against latency](f1_vs_latency.png)",
        results_table(rows, differences),
        "F1 counts exact (document, start, end, type) spans, micro-averaged. Differences are against dense with a "
        "paired bootstrap over documents; *(none)*: the interval holds 0. Speed-up is the sum of dense whole-call "
        "times divided by the sum of the variant's, measured in this run; promised is the ratio of multiply-adds. "
        "`random` is the mean of 5 seeds.",
        "## How this was measured",
        "\n".join(f"- {name}: {value}" for name, value in about.items()),
    ]
    return "\n\n".join(parts) + "\n"
