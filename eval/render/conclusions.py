"""Three sentences that a report opens with, made from the numbers and their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.pruning.strategy import PRUNING, base_name

Row = dict[str, Any]

WITHIN = 0.3  # points of F1 that may be lost, as at the operating point ``balanced``
_VERDICTS = {
    (1, 1): "more accurate and quicker than",
    (0, 1): "as accurate as and quicker than",
    (1, 0): "more accurate than and as quick as",
    (1, -1): "more accurate but slower than",
    (-1, 1): "quicker but less accurate than",
    (0, 0): "not to be told apart from",
    (0, -1): "as accurate as but slower than",
    (-1, 0): "as quick as but less accurate than",
    (-1, -1): "less accurate and slower than",
}


def in_points(row: Mapping[Any, Any], of: str = "") -> str:
    """A difference of F1 with its interval, from the columns whose names begin with ``of``; *none* inside it."""
    value, low, high = (row[of + name] * 100 for name in ("difference", "low", "high"))
    text = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
    return text if row[f"{of}beyond_chance"] else f"{text} (none)"


def points(interval: Row) -> str:
    """`in_points`, against the rival; a dash for the rival itself."""
    return "—" if interval["strategy"] == interval["against"] else in_points(interval)


def pace(interval: Row) -> str:
    """A speed-up with its interval; *none* inside it, and no interval where there were too few batches for one."""
    text = f"{interval['speedup']:.2f}×"
    if interval["strategy"] == interval["against"]:
        return text
    if math.isnan(interval["speedup_low"]):
        return f"{text} [too few batches]"
    text = f"{text} [{interval['speedup_low']:.2f}, {interval['speedup_high']:.2f}]"
    return text if interval["speed_beyond_chance"] else f"{text} (none)"


def conclusions(intervals: Sequence[Row]) -> list[str]:
    """What is quickest at little loss, how pruning does against stopping early, and what loses.

    All at the smallest batch size, the first also at the others.
    """
    sizes = sorted({row["batch_size"] for row in intervals})
    of_size = [row for row in intervals if row["batch_size"] == sizes[0]]
    return [_quickest(intervals, sizes), _against_truncation(of_size, sizes[0]), _losers(of_size, sizes[0])]


def _quickest(intervals: Sequence[Row], sizes: Sequence[int]) -> str:
    found = []
    for size in sizes:
        dense = next(r for r in intervals if r["batch_size"] == size and r["strategy"] == r["against"] == "dense")
        near = [
            row
            for row in intervals
            if row["batch_size"] == size
            and row["against"] == "dense" != row["strategy"]
            and row["difference"] * 100 >= -WITHIN
            and row["speedup"] > 1
            and row["speed_beyond_chance"]
        ]
        if all(math.isnan(r["speedup_low"]) for r in intervals if r["batch_size"] == size):
            found.append(f"not to be told at batch {size}, for want of batches")
        elif near:
            found.append(f"{_best(near)} at batch {size}")
        else:
            found.append(f"dense itself at batch {size} (nothing within them is quicker beyond chance)")
    return f"Within {WITHIN} points of dense (F1 {dense['f1']:.4f}) the quickest is {_and(found)}."


def _best(rows: Sequence[Row]) -> str:
    """The quickest, with what speaks against it: an interval of F1 that reaches further, others that are as quick."""
    best, *others = sorted(rows, key=lambda row: -row["speedup"])
    alike = [f"`{row['strategy']}`" for row in others if row["speedup_high"] >= best["speedup_low"]]
    parts = [f"{pace(best)}, F1 {points(best)} points"]
    if best["low"] * 100 < -WITHIN:
        parts.append(f"by the estimate alone, its interval reaches {best['low'] * 100:+.2f}")
    if alike:
        parts.append(f"overlapping in speed with {_and(alike)}")
    return f"`{best['strategy']}` ({'; '.join(parts)})"


def _against_truncation(intervals: Sequence[Row], size: int) -> str:
    duels = [row for row in intervals if row["against"].startswith("truncate-")]
    if not duels:
        return "No strategy that prunes was compared with stopping early (truncate-k), the rival that it has to beat."
    verdicts: dict[str, dict[str, list[str]]] = {words: {} for words in dict.fromkeys(_VERDICTS.values())}
    for row in duels:
        verdicts[_VERDICTS[_signs(row)]].setdefault(row["against"], []).append(f"`{row['strategy']}`")
    listed = "; ".join(
        f"{words} `{against}`: {_and(names)}" for words, by in verdicts.items() for against, names in by.items()
    )
    return f"Against stopping early at batch {size}, beyond chance: {listed}."


def _signs(row: Row) -> tuple[int, int]:
    """Whether F1 and speed are higher (1) or lower (−1) than the rival's beyond chance, or neither (0)."""
    return (
        (row["difference"] > 0) - (row["difference"] < 0) if row["beyond_chance"] else 0,
        (row["speedup"] > 1) - (row["speedup"] < 1) if row["speed_beyond_chance"] else 0,
    )


def _losers(intervals: Sequence[Row], size: int) -> str:
    against = [row for row in intervals if row["against"] == "dense" != row["strategy"]]
    worse = [f"`{r['strategy']}` ({points(r)} points)" for r in against if r["beyond_chance"] and r["difference"] < 0]
    slow = [f"`{r['strategy']}` ({pace(r)})" for r in against if r["speed_beyond_chance"] and r["speedup"] < 1]
    equal = [f"`{r['strategy']}`" for r in against if not r["beyond_chance"] and base_name(r["strategy"]) in PRUNING]
    parts = [f"F1 below dense beyond chance: {_and(worse) or 'none'}", f"slower than dense: {_and(slow) or 'none'}"]
    if equal:
        parts.append(f"no F1 difference from dense beyond chance: {_and(equal)}")
    return f"At batch {size}, {'; '.join(parts)}."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
