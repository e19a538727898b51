"""Differences and ratios with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_SIGNIFICANT = "(n.s.)"
SPEED_ONLY = "speed only"

Row = Mapping[str, Any]

_VERDICTS = {
    (1, 1): "more accurate and faster",
    (0, 1): "faster, with no significant difference in F1",
    (1, 0): "more accurate, with no significant difference in speed",
    (1, -1): "more accurate but slower",
    (-1, 1): "faster but less accurate",
    (0, 0): "not significantly different",
    (0, -1): "slower, with no significant difference in F1",
    (-1, 0): "less accurate, with no significant difference in speed",
    (-1, -1): "less accurate and slower",
}
_SPEED_VERDICTS = {1: "faster", 0: "no significant difference in speed", -1: "slower"}


def score(value: float) -> str:
    """F1 or a similar score, 0–1; random weights have none."""
    return SPEED_ONLY if math.isnan(value) else f"{value:.4f}"


def f1_interval(row: Row) -> str:
    """F1 with its interval."""
    value = score(row["f1"])
    return value if value == SPEED_ONLY else f"{value} {brackets(row['f1_low'], row['f1_high'], '.4f', 'documents')}"


def f1_points(row: Row, prefix: str = "") -> str:
    """An F1 difference in points with its interval, from columns whose names have a prefix."""
    value, low, high = (row[prefix + name] * 100 for name in ("difference", "low", "high"))
    text = f"{value:+.2f} {brackets(low, high, '+.2f', 'documents')}"
    return text if row[f"{prefix}significant"] or math.isnan(low) else f"{text} {NOT_SIGNIFICANT}"


def brackets(low: float, high: float, digits: str, units: str) -> str:
    """An interval, or which ``units`` are too few."""
    return f"[too few {units}]" if math.isnan(low) else f"[{low:{digits}}, {high:{digits}}]"


def points(interval: Row) -> str:
    """`f1_points` of a row of ``intervals.csv``; a dash for a variant against itself."""
    if math.isnan(interval["difference"]):
        return SPEED_ONLY
    return "—" if _is_itself(interval) else f1_points(interval)


def _is_itself(interval: Row) -> bool:
    return bool(interval["strategy"] == interval["against"] and interval["dtype"] == interval["against_dtype"])


def speedup(interval: Row) -> str:
    """The speed-up of a row of ``intervals.csv`` with its interval."""
    text = f"{interval['speedup']:.2f}×"
    if _is_itself(interval):
        return text
    text = f"{text} {brackets(interval['speedup_low'], interval['speedup_high'], '.2f', 'batches')}"
    known = not math.isnan(interval["speedup_low"])
    return f"{text} {NOT_SIGNIFICANT}" if known and not interval["speedup_significant"] else text


def ratio(value: float | None) -> str:
    """A ratio, e.g. ``2.37×``; empty if unknown."""
    return "" if value is None or math.isnan(value) else f"{value:.2f}×"


def verdict(interval: Row) -> str:
    """What differs significantly between a variant and another; for random weights, only speed."""
    speed = (interval["speedup"] > 1) - (interval["speedup"] < 1) if interval["speedup_significant"] else 0
    if math.isnan(interval["difference"]):
        return _SPEED_VERDICTS[speed]
    f1 = (interval["difference"] > 0) - (interval["difference"] < 0) if interval["significant"] else 0
    return _VERDICTS[f1, speed]
