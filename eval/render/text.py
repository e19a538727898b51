"""Figures with their intervals as text, and text as Markdown; whatever comes from users is escaped."""

import math
import re

from eval.schema import Row

ITSELF = "—"

# Brackets matter only before link targets, underscores only at word boundaries, other characters everywhere.
_MARKUP = re.compile(r"[\\`*<>|~&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")


def score(value: float) -> str:
    return f"{value:.4f}"


def f1(value: float) -> str:
    """Three decimals without the zero, e.g. ``.876``, where people read rather than check."""
    return f"{value:.3f}".removeprefix("0")


def f1_interval(row: Row) -> str:
    return f"{score(row['f1'])} {_brackets(row['f1_low'], row['f1_high'], '.4f')}"


def pp(row: Row, prefix: str = "") -> str:
    """A difference of F1 in pp with its interval; a dash if a variant is compared with itself.

    ``prefix``: of the columns ``difference``, ``low`` and ``high``.
    """
    if _compares_with_itself(row):
        return ITSELF
    value, low, high = (row[prefix + name] * 100 for name in ("difference", "low", "high"))
    return f"{value:+.2f} {_brackets(low, high, '+.2f')}"


def bound(row: Row, prefix: str = "") -> str:
    """What a variant loses at most, in pp; a dash if it is compared with itself, or there are too few documents."""
    lost = row[f"{prefix}loss_bound"]
    return ITSELF if _compares_with_itself(row) or math.isnan(lost) else f"{lost * 100:.2f}"


def speedup(row: Row) -> str:
    """The speed-up of a row of ``intervals.csv`` with its interval."""
    text, low, high = f"{row['speedup']:.2f}×", row["speedup_low"], row["speedup_high"]
    return text if _compares_with_itself(row) else f"{text} {_brackets(low, high, '.2f')}"


def _brackets(low: float, high: float, digits: str) -> str:
    """An interval; says so if there are too few documents for one."""
    return "[too few documents]" if math.isnan(low) else f"[{low:{digits}}, {high:{digits}}]"


def _compares_with_itself(row: Row) -> bool:
    return bool(row.get("against") == row.get("variant", ""))


def share(value: float | None) -> str:
    """A share, e.g. ``37.7%``; empty if unknown."""
    return "" if value is None or math.isnan(value) else f"{value:.1%}"


def per_call(*sizes: int) -> str:
    """Batch sizes in words, e.g. ``1 / 32 texts a call``."""
    return f"{' / '.join(map(str, sizes))} text{'s' * (sizes != (1,))} a call"


def escape(text: object) -> str:
    """Escapes text for Markdown and HTML, on one line."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", " ".join(str(text).split()))
