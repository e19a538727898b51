"""Text and tables in Markdown; whatever comes from users is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Brackets matter only before link targets, underscores at word boundaries, other characters everywhere.
_MARKUP = re.compile(r"[\\`*<>|~&$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")


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
