"""Figures with their intervals as text, and text as Markdown; whatever comes from users is escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NOT_SIGNIFICANT = "(n.s.)"
ITSELF = "—"
TOO_FEW = "too few batches"

Row = Mapping[str, Any]

# Brackets matter only before link targets, underscores only at word boundaries, other characters everywhere.
_MARKUP = re.compile(r"[\\`*<>|~&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")


def score(value: float) -> str:
    """F1 or a similar score, 0–1."""
    return f"{value:.4f}"


def f1_interval(row: Row) -> str:
    """F1 with its interval."""
    return f"{score(row['f1'])} {_brackets(row['f1_low'], row['f1_high'], '.4f', 'documents')}"


def pp(row: Row, prefix: str = "") -> str:
    """A difference of F1 in pp with its interval; a dash if a variant is compared with itself.

    ``prefix``: of the columns ``difference``, ``low``, ``high`` and ``significant``.
    """
    value, low, high = (row[prefix + name] * 100 for name in ("difference", "low", "high"))
    if _compares_with_itself(row):
        return ITSELF
    text = f"{value:+.2f} {_pp_brackets(low, high)}"
    return text if row[f"{prefix}significant"] or math.isnan(low) else f"{text} {NOT_SIGNIFICANT}"


def verdict(row: Row) -> str:
    """Whether the difference of F1 in a row of ``intervals.csv`` is significant, in words."""
    return "significant" if row["significant"] else "not significant"


def speedup(row: Row) -> str:
    """The speed-up of a row of ``intervals.csv`` with its interval; none where too few batches were timed for one."""
    text, low, high = f"{row['speedup']:.2f}×", row["speedup_low"], row["speedup_high"]
    if _compares_with_itself(row):
        return text
    if math.isnan(low):
        return TOO_FEW
    text = f"{text} {_brackets(low, high, f'.{_decimals(low, high, 1)}f', 'batches')}"
    return text if row["speedup_significant"] else f"{text} {NOT_SIGNIFICANT}"


def in_pp(row: Row) -> str:
    """A difference of F1 with its interval, in a sentence."""
    return f"{row['difference'] * 100:+.2f} pp {_pp_brackets(row['low'] * 100, row['high'] * 100)}"


def _brackets(low: float, high: float, digits: str, units: str) -> str:
    """An interval; says so if there are too few ``units`` for one."""
    return f"[too few {units}]" if math.isnan(low) else f"[{low:{digits}}, {high:{digits}}]"


def _pp_brackets(low: float, high: float) -> str:
    """The interval of a difference of F1 in pp."""
    return _brackets(low, high, f"+.{_decimals(low, high, 0)}f", "documents")


def _decimals(low: float, high: float, equal: float) -> int:
    """Decimals of an interval: two, or as many as show on which side of ``equal`` its ends lie."""
    return next((n for n in range(2, 6) if all(round(end, n) != equal or end == equal for end in (low, high))), 2)


def _compares_with_itself(row: Row) -> bool:
    return bool(row.get("against") == row.get("variant", ""))


def ratio(value: float | None) -> str:
    """A ratio, e.g. ``2.37×``; empty if unknown."""
    return "" if value is None or math.isnan(value) else f"{value:.2f}×"


def share(value: float | None) -> str:
    """A share, e.g. ``37.7%``; empty if unknown."""
    return "" if value is None or math.isnan(value) else f"{value:.1%}"


def join(parts: Iterable[str]) -> str:
    """A list in a sentence: ``a, b and c``."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def escape(text: object) -> str:
    """Escapes text for Markdown and HTML, on one line."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", " ".join(str(text).split()))


def code(text: str) -> str:
    """Text as inline code, between more backticks than it has in a row."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence}{line}{fence}" if fence == "`" else f"{fence} {line} {fence}"


def table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; escapes the cells."""
    lines = [list(map(escape, columns)), ["---"] * len(columns), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(lines: Iterable[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
