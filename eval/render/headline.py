"""The one sentence on what the default strategy gains, the same in README, model card, reports and app."""

from __future__ import annotations

from collections.abc import Sequence

from eval.render.files import IntervalRow, ResultRow
from eval.schema import DENSE

DEFAULT = "entropy:balanced"
PIPELINE, OPENVINO = "hf-pipeline", "openvino-int8"  # what people use today, and the fastest runtime without pruning


def default_row(rows: Sequence[ResultRow]) -> ResultRow | None:
    """The default strategy in the dtype in which it is fastest, one text at a time; None if the report lacks it."""
    smallest = min(row["batch_size"] for row in rows)
    own = [row for row in rows if row["batch_size"] == smallest and _is_default(row)]
    return max(own, key=lambda row: row["speedup_vs_dense"], default=None)


def _is_default(row: ResultRow) -> bool:
    return row["label"].removesuffix(f" ({row['dtype']})") == DEFAULT


def headline(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> str:
    """Speed of the default strategy over the Hugging Face pipeline and over OpenVINO, and its F1 against the pipeline.

    One text at a time. Empty if the report lacks one of the three.
    """
    row = default_row(rows)
    if row is None:
        return ""
    own = [one for one in intervals if (one["label"], one["batch_size"]) == (row["label"], row["batch_size"])]
    against = {one["against"]: one for one in own if one["against"] != DENSE}
    if not {PIPELINE, OPENVINO} <= against.keys():
        return ""
    pipeline, openvino = against[PIPELINE], against[OPENVINO]
    change = f"{100 * pipeline['difference']:+.1f}".replace("-", "−")
    return (
        f"{pipeline['speedup']:.1f}× as fast as the Hugging Face pipeline on a {row['device'].upper()}, "
        f"{openvino['speedup']:.1f}× as OpenVINO in 8 bits, F1 {change} pp"
    )
