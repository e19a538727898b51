"""Tables as files inside links, so that the server writes no text of a visitor to a file."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = tuple("=+-@\t\r")


def csv_link(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """All rows as a CSV file in a ``data:`` address.

    A cell that a spreadsheet would read as a formula begins with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row])
    content = base64.b64encode(buffer.getvalue().encode("utf-8", "replace")).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"
