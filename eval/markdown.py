"""``report.md`` and the table on the terminal, from the rows of the CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.evaluate import RANDOM_SEEDS

Row = dict[str, Any]

SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "**not a benchmark**."
)


def _against(intervals: Sequence[Row], row: Row, reference: str) -> Row:
    wanted = (row["strategy"], row["batch_size"], reference)
    return next(i for i in intervals if (i["strategy"], i["batch_size"], i["against"]) == wanted)


def results_table(rows: Sequence[Row], intervals: Sequence[Row]) -> str:
    """A Markdown table: F1, what is lost against dense, both with their intervals, speed-up, cost."""
    lines = [
        "| batch | strategy | F1 [95 %] | P | R | against dense, points [95 %] | latency ms (median, p95) | speed-up "
        "| promised | token-layers kept | GMACs/doc |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        interval = _against(intervals, row, "dense")
        name = f"{row['strategy']} ({row['point']})" if row["point"] else row["strategy"]
        lines.append(
            f"| {row['batch_size']} | {name} | {row['f1']:.4f} [{interval['f1_low']:.4f}, {interval['f1_high']:.4f}] "
            f"| {row['precision']:.4f} | {row['recall']:.4f} | {_points(interval)} "
            f"| {row['latency_ms_median']:.1f}, {row['latency_ms_p95']:.1f} | {row['speedup_vs_dense']:.2f}× "
            f"| {row['promised_speedup']:.2f}× | {row['token_layers_kept']:.1%} | {row['gmacs_per_document']:.2f} |"
        )
    return "\n".join(lines)


def _points(interval: Row) -> str:
    if interval["strategy"] == interval["against"]:
        return "—"
    text = f"{interval['difference'] * 100:+.2f} [{interval['low'] * 100:+.2f}, {interval['high'] * 100:+.2f}]"
    return text if interval["beyond_chance"] else f"{text} (none)"


def conclusions(rows: Sequence[Row], intervals: Sequence[Row]) -> list[str]:
    """Sentences made from the numbers: what pruning gains and loses at each batch size, and where it is slower."""
    sentences = []
    for row in rows:
        name, size, speed = row["strategy"], row["batch_size"], row["speedup_vs_dense"]
        if name == "dense":
            continue
        if name == "hf":
            sentences.append(
                f"At batch {size}, our dense pass runs at {1 / speed:.2f} times the speed of the plain Hugging Face "
                "model with the same weights; that is packing, not pruning."
            )
            continue
        interval = _against(intervals, row, "dense")
        points = interval["difference"] * 100
        pace = f"{speed:.2f} times as fast as dense" if speed >= 1 else f"**slower** than dense ({speed:.2f}×)"
        if interval["beyond_chance"]:
            cost = f"and {'loses' if points < 0 else 'gains'} {abs(points):.2f} points of F1"
        else:
            cost = f"with no F1 difference beyond chance ({points:+.2f} points)"
        sentences.append(f"At batch {size}, `{name}` is {pace} {cost}.")
    for interval in intervals:
        if interval["against"].startswith("random"):
            sentences.append(
                f"At batch {interval['batch_size']}, `{interval['strategy']}` has {_points(interval)} points of F1 "
                f"over `{interval['against']}`, which removes as many words by chance."
            )
    return sentences


def report(rows: Sequence[Row], intervals: Sequence[Row], about: dict[str, str], notes: Sequence[str]) -> str:
    """The text of ``report.md``.

    Args:
        rows: of ``results.csv``.
        intervals: of ``intervals.csv``.
        about: facts on the run, name → value.
        notes: remarks that a reader must not miss.
    """
    first = rows[0]
    parts = [
        f"# {first['corpus']} {first['split']}: F1 against latency",
        *(f"> {note}" for note in notes),
        "\n".join(f"- {sentence}" for sentence in conclusions(rows, intervals)),
        "![F1 against latency](f1_vs_latency.png)",
        results_table(rows, intervals),
        "F1 counts exact (document, start, end, type) spans, micro-averaged. Differences are against dense with a "
        "paired bootstrap over documents; *(none)*: the interval holds 0. Speed-up is the sum of dense whole-call "
        "times divided by the sum of the variant's, measured in this run; promised is the ratio of multiply-adds. "
        f"The F1 of `random` is the mean of {RANDOM_SEEDS} seeds, its times and costs are those of the first. Costs of "
        "`hf` include its padding.",
        "## How this was measured",
        "\n".join(f"- {name}: {value}" for name, value in about.items()),
    ]
    return "\n\n".join(parts) + "\n"
