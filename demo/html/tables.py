"""Tables as files inside links, so the server never writes a visitor's text to a file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from demo.results.tables import csv_text


def csv_link(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """All rows as a CSV file in a ``data:`` address."""
    content = base64.b64encode(csv_text(columns, rows).encode("utf-8", "replace")).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"
