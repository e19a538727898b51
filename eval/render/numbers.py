"""Differences and ratios with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_SIGNIFICANT = "(n.s.)"
SPEED_ONLY = "speed only"
ITSELF = "—"

Row = Mapping[str, Any]

_F1_VERDICTS = {1: "more accurate", 0: "no significant difference in F1", -1: "less accurate"}
_SPEED_VERDICTS = {1: "faster", 0: "no significant difference in speed", -1: "slower"}


def score(value: float) -> str:
    """F1 or a similar score, 0–1; random weights have none."""
    return SPEED_ONLY if math.isnan(value) else f"{value:.4f}"


def f1_interval(row: Row) -> str:
    """F1 with its interval."""
    value = score(row["f1"])
    return value if value == SPEED_ONLY else f"{value} {brackets(row['f1_low'], row['f1_high'], '.4f', 'documents')}"


def pp(row: Row, prefix: str = "") -> str:
    """A difference of F1 in pp with its interval, from columns whose names have a prefix; a dash against itself."""
    value, low, high = (row[prefix + name] * 100 for name in ("difference", "low", "high"))
    if math.isnan(value):
        return SPEED_ONLY
    if _is_itself(row):
        return ITSELF
    text = f"{value:+.2f} {brackets(low, high, '+.2f', 'documents')}"
    return text if row[f"{prefix}significant"] or math.isnan(low) else f"{text} {NOT_SIGNIFICANT}"


def brackets(low: float, high: float, digits: str, units: str) -> str:
    """An interval, or which ``units`` are too few."""
    return f"[too few {units}]" if math.isnan(low) else f"[{low:{digits}}, {high:{digits}}]"


def _is_itself(row: Row) -> bool:
    return "against" in row and (row["strategy"], row["dtype"]) == (row["against"], row["against_dtype"])


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


def share(value: float | None) -> str:
    """A share, e.g. ``37.7%``; empty if unknown."""
    return "" if value is None or math.isnan(value) else f"{value:.1%}"


def verdict(interval: Row) -> str:
    """What differs significantly between a variant and another; for random weights, only speed."""
    speed = (interval["speedup"] > 1) - (interval["speedup"] < 1) if interval["speedup_significant"] else 0
    if math.isnan(interval["difference"]):
        return _SPEED_VERDICTS[speed]
    f1 = (interval["difference"] > 0) - (interval["difference"] < 0) if interval["significant"] else 0
    if not speed and not f1:
        return "no significant difference"
    return f"{_SPEED_VERDICTS[speed]}, {_F1_VERDICTS[f1]}"
