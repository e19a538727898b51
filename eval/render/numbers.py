"""Differences and ratios with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_SIGNIFICANT = "(n.s.)"

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


def f1_points(row: Row, prefix: str = "") -> str:
    """A difference of F1 in points with its interval, from the columns whose names begin with a prefix."""
    value, low, high = (row[prefix + name] * 100 for name in ("difference", "low", "high"))
    text = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
    return text if row[f"{prefix}significant"] else f"{text} {NOT_SIGNIFICANT}"


def points(interval: Row) -> str:
    """`f1_points` of a row of ``intervals.csv``; a dash for a variant against itself."""
    return "—" if interval["strategy"] == interval["against"] else f1_points(interval)


def pace(interval: Row) -> str:
    """The speed-up of a row of ``intervals.csv`` with its interval, which too few batches do not have."""
    text = f"{interval['speedup']:.2f}×"
    if interval["strategy"] == interval["against"]:
        return text
    if math.isnan(interval["speedup_low"]):
        return f"{text} [too few batches]"
    text = f"{text} [{interval['speedup_low']:.2f}, {interval['speedup_high']:.2f}]"
    return text if interval["speedup_significant"] else f"{text} {NOT_SIGNIFICANT}"


def ratio(value: float | None) -> str:
    """A ratio, e.g. ``2.37×``; nothing where it is not known."""
    return "" if value is None or math.isnan(value) else f"{value:.2f}×"


def verdict(interval: Row) -> str:
    """How a variant compares with another: what differs significantly."""
    f1 = (interval["difference"] > 0) - (interval["difference"] < 0) if interval["significant"] else 0
    speed = (interval["speedup"] > 1) - (interval["speedup"] < 1) if interval["speedup_significant"] else 0
    return _VERDICTS[f1, speed]
