"""What a report measured, one object per variant and batch size, for the tab Frontier."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from demo.common.reports import about
from engine.pruning.strategy_names import parse
from eval.render.files import labelled, read_table
from eval.schema import BASELINE, DENSE, HF, MODEL, RANDOM

INTERVALS = "intervals.csv"
_KEY = ["strategy", "batch_size", "dtype"]

Interval = tuple[float, float]


@dataclass(frozen=True)
class Variant:
    """A row of ``results.csv`` with its intervals; ``None`` where nothing was measured.

    ``name``: strategy, baseline or other model; `label` adds the dtype if it ran in several.
    ``kind``, ``family``, ``point``: as in ``results.csv``.
    ``f1``, ``f1_interval``: 0–1, against gold.
    ``loss``, ``loss_interval``: F1 minus that of ``dense`` in the first dtype.
    ``speedup``, ``speedup_interval``: against ``dense`` in the first dtype; ``same_dtype``: in its own.
    ``milliseconds``: per document. ``theoretical``: dense ÷ own MACs. ``kept``: token-layers, 0–1.
    ``settings``: gates, controller and recovery, in words.
    """

    name: str
    label: str
    kind: str
    family: str
    point: str
    dtype: str
    batch_size: int
    f1: float | None
    f1_interval: Interval | None
    loss: float | None
    loss_interval: Interval | None
    loss_significant: bool
    speedup: float
    speedup_interval: Interval | None
    same_dtype: float | None
    milliseconds: float
    theoretical: float | None
    kept: float | None
    settings: str


def read_variants(report: Path) -> list[Variant]:
    """All variants of a report, by increasing speed-up."""
    results = read_table(report, "results")
    table = labelled(results, results)
    if (report / INTERVALS).is_file():
        table = table.merge(_against_dense(report, results), how="left", on=_KEY, suffixes=("", "_interval"))
    settings, first = about(report).get("settings", {}), str(results["dtype"].iloc[0])
    records: list[dict[Any, Any]] = table.to_dict("records")
    return sorted((_variant(row, settings, first) for row in records), key=lambda variant: variant.speedup)


def runnable_as(variant: Variant, runnable: Iterable[str], points: Iterable[str]) -> tuple[str, str] | None:
    """The strategy and operating point (empty: none) with which the page can run a variant; none if it cannot."""
    if variant.kind in (BASELINE, MODEL, HF, RANDOM):
        return None
    parts = parse(variant.name)
    name = variant.name if parts.layer else parts.stored
    return (name, variant.point) if name in runnable and (not variant.point or variant.point in points) else None


def _against_dense(report: Path, results: pd.DataFrame) -> pd.DataFrame:
    """The rows against ``dense`` in the report's first dtype, without columns that ``results.csv`` has."""
    rows = read_table(report, "intervals")
    rows = rows[(rows["against"] == DENSE) & (rows["against_dtype"] == results["dtype"].iloc[0])]
    return rows.drop(columns=["f1", "against", "against_dtype"])


def _variant(row: dict[str, Any], settings: dict[str, Any], first_dtype: str) -> Variant:
    def number(name: str) -> float | None:
        value = row.get(name)
        return None if value is None or not math.isfinite(value) else float(value)

    def interval(low: str, high: str) -> Interval | None:
        ends = number(low), number(high)
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    name = str(row["strategy"])
    is_reference = (name, row["dtype"]) == (DENSE, first_dtype)
    return Variant(
        name=name,
        label=str(row["label"]),
        kind=str(row["kind"]),
        family=str(row["family"]),
        point=row["point"] if isinstance(row["point"], str) else "",
        dtype=str(row["dtype"]),
        batch_size=int(row["batch_size"]),
        f1=number("f1"),
        f1_interval=interval("f1_low", "f1_high"),
        loss=None if is_reference else number("difference"),
        loss_interval=None if is_reference else interval("low", "high"),
        loss_significant=row.get("significant") is True,
        speedup=float(row["speedup_vs_dense"]),
        speedup_interval=interval("speedup_low", "speedup_high"),
        same_dtype=number("speedup_vs_dense_same_dtype"),
        milliseconds=float(row["latency_ms_median"]) / int(row["batch_size"]),
        theoretical=number("theoretical_speedup"),
        kept=number("token_layers_kept"),
        settings=_in_words(settings.get(name)),
    )


def _in_words(record: dict[str, Any] | None) -> str:
    """Settings as ``gates 2, 3; max_entropy 0.03, 0.13``; empty if there are no gates."""
    if not record or "gates" not in record:
        return ""
    own = {"gates": record["gates"]} | record.get("controller", {}) | record.get("recovery", {})
    return "; ".join(f"{name} {_value(value)}" for name, value in own.items() if name != "kind")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
