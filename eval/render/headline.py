"""The one sentence on what the default strategy gains, the same in README, model card, reports and app."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from eval.render.files import IntervalRow, ResultRow
from eval.render.text import code
from eval.schema import DENSE, RESIDENT

DEFAULT = "entropy:balanced"
DEFAULTS = ("cascade:balanced", DEFAULT)  # the first in the folder of a cascade
PIPELINE, OPENVINO = "hf-pipeline", "openvino-int8"  # what people use today, and a fast runtime without pruning
RUNTIMES = {OPENVINO: "OpenVINO", "onnx-int8": "ONNX Runtime"}  # which is the faster depends on the processor


def default_row(rows: Sequence[ResultRow]) -> ResultRow | None:
    """The default strategy in the dtype in which it is fastest, one text at a time; None if the report lacks it."""
    smallest = min(row["batch_size"] for row in rows)
    for name in DEFAULTS:
        own = [row for row in rows if row["batch_size"] == smallest and _name(row) == name]
        if own:
            return max(own, key=lambda row: row["speedup_vs_dense"])
    return None


def _name(row: ResultRow) -> str:
    return row["label"].removesuffix(f" ({row['dtype']})")


def headline(rows: Sequence[ResultRow], intervals: Sequence[IntervalRow]) -> str:
    """Speed of the default strategy over the Hugging Face pipeline and a runtime, and its F1 against the former.

    One text at a time; the fastest runtime. Empty if the report lacks one of the three, or timed too few texts.
    """
    row = default_row(rows)
    if row is None:
        return ""
    own = [one for one in intervals if (one["label"], one["batch_size"]) == (row["label"], row["batch_size"])]
    against = {one["against"]: one for one in own if one["against"] != DENSE}
    runtimes = sorted(RUNTIMES.keys() & against, key=lambda name: against[name]["speedup"])
    if PIPELINE not in against or not runtimes:
        return ""
    pipeline, fastest = against[PIPELINE], runtimes[0]
    if math.isnan(pipeline["speedup_low"]):
        return ""
    change = f"{100 * pipeline['difference']:+.1f}".replace("-", "−")
    return (
        f"{pipeline['speedup']:.1f}× as fast as the Hugging Face pipeline on a {row['device'].upper()}, "
        f"{against[fastest]['speedup']:.1f}× as fast as {RUNTIMES[fastest]} in 8 bits, F1 {change} pp"
    )


def pace(row: ResultRow, times: pd.DataFrame, cost: pd.DataFrame, machine: str) -> str:
    """How many documents a second a variant reads on this machine, and the memory of a process with it alone.

    ``row``: the variant at a batch size; ``times``, ``cost``: the report's tables.
    """
    own_times, own_cost = (
        table[(table["strategy"] == row["strategy"]) & (table["dtype"] == row["dtype"])] for table in (times, cost)
    )
    spent = own_times.loc[own_times["batch_size"] == row["batch_size"], "latency_ms"].sum()
    held = own_cost.loc[own_cost["group"] == RESIDENT, "value"]
    memory = f", and a process with it alone takes {held.iloc[0]:.0f} MiB" if len(held) else ""
    return (
        f"{code(row['label'])} reads {1000 * row['timed_documents'] / spent:.0f} documents a second, "
        f"{row['batch_size']} a call, on {machine}, {row['threads']} threads{memory}."
    )
