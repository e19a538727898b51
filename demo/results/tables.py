"""Entities as rows of a table, and tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from demo.results.wording import printable
from engine import Entity

ENTITY_COLUMNS = ("start", "end", "type", "text", "score")
_FORMULA = tuple("=+-@\t\r")


def entity_row(entity: Entity) -> tuple[int, int, str, str, float]:
    """An entity in the order of ``ENTITY_COLUMNS``."""
    return entity.start, entity.end, entity.type, printable(entity.text), round(entity.score, 4)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV; an apostrophe precedes cells that a spreadsheet would read as formulas."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row] for row in rows)
    return file.getvalue()
