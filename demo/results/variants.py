"""What a report measured, one object for each variant at one batch size: what the tab Frontier shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from demo.results.reports import ABOUT, RESULTS
from engine.pruning.resolve import parse
from eval.schema import BASELINE, DENSE, MODEL

INTERVALS = "intervals.csv"
_KEY = ("strategy", "batch_size", "dtype")

Interval = tuple[float, float]


@dataclass(frozen=True)
class Variant:
    """A row of ``results.csv`` with its intervals; what was not measured is ``None``.

    ``name``: strategy, baseline or other model; with its number format in `label` where the report has several.
    ``kind``, ``family``, ``point``: as in ``results.csv``.
    ``f1``, ``f1_interval``: 0–1, against the gold. ``loss``, ``loss_interval``: F1 minus that of ``dense``.
    ``speedup``, ``speedup_interval``: against ``dense`` in the first number format; ``same_dtype``: in its own.
    ``milliseconds``: of a document. ``theoretical``: dense ÷ own multiply-adds. ``kept``: token-layers, 0–1.
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
    """All variants of a report, by growing speed-up."""
    results = pd.read_csv(report / RESULTS)
    intervals = _against_dense(pd.read_csv(report / INTERVALS), results) if (report / INTERVALS).is_file() else None
    on = [name for name in _KEY if intervals is not None and name in intervals]
    table = results if intervals is None else results.merge(intervals, how="left", on=on, suffixes=("", "_interval"))
    settings = _settings(report)
    several = results["dtype"].nunique() > 1
    records: list[dict[Any, Any]] = table.to_dict("records")
    rows = (_variant(row, settings, several=several) for row in records)
    return sorted(rows, key=lambda variant: variant.speedup)


def frontier(variants: Sequence[Variant]) -> list[Variant]:
    """Those that no other beats in both F1 and speed-up, by growing speed-up."""
    measured = [one for one in variants if one.f1 is not None]
    best: list[Variant] = []
    for one in sorted(measured, key=lambda one: (-one.speedup, -(one.f1 or 0))):
        if not best or (one.f1 or 0) > (best[-1].f1 or 0):
            best.append(one)
    return best[::-1]


def runnable_as(variant: Variant, runnable: Iterable[str], points: Iterable[str]) -> tuple[str, str] | None:
    """The strategy and operating point (empty: none) with which the page can run a variant, if it can."""
    if variant.kind in (BASELINE, MODEL):
        return None
    parts = parse(variant.name)
    name = variant.name if parts.layer or parts.replays else parts.stored
    return (name, variant.point) if name in runnable and (not variant.point or variant.point in points) else None


def _against_dense(intervals: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The rows against ``dense`` in the report's first number format, without columns of ``results.csv``."""
    rows = intervals[intervals["against"] == DENSE]
    if "against_dtype" in rows:
        rows = rows[rows["against_dtype"] == results["dtype"].iloc[0]]
    return rows.drop(columns=["f1", "against", "against_dtype"], errors="ignore")


def _settings(report: Path) -> dict[str, Any]:
    path = report / ABOUT
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["about"] if path.is_file() else {}
    return about.get("settings", {})


def _variant(row: dict[str, Any], settings: dict[str, Any], *, several: bool) -> Variant:
    def number(name: str) -> float | None:
        value = row.get(name)
        return None if value is None or not math.isfinite(value) else float(value)

    def interval(low: str, high: str) -> Interval | None:
        ends = number(low), number(high)
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    name, dtype = str(row["strategy"]), str(row["dtype"])
    return Variant(
        name=name,
        label=f"{name} ({dtype})" if several else name,
        kind=str(row["kind"]),
        family=str(row["family"]),
        point=row["point"] if isinstance(row["point"], str) else "",
        dtype=dtype,
        batch_size=int(row["batch_size"]),
        f1=number("f1"),
        f1_interval=interval("f1_low", "f1_high"),
        loss=None if name == DENSE else number("difference"),
        loss_interval=None if name == DENSE else interval("low", "high"),
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
    """Settings as ``gates 2, 3; max_entropy 0.03, 0.13``; nothing for what has no gates."""
    if not record or "gates" not in record:
        return ""
    own = {"gates": record["gates"]} | record.get("controller", {}) | record.get("recovery", {})
    return "; ".join(f"{name} {_value(value)}" for name, value in own.items() if name != "kind")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
