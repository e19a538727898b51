"""The files of a run as tables and rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

_OF_TEXTS = ("errors", "confusion", "ablations")  # in which an empty cell, or "none", is a text


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A CSV file of a folder, by its name without the suffix."""
    values = {"value": str} if name == "ablations" else None
    return pd.read_csv(folder / f"{name}.csv", dtype=values, keep_default_na=name not in _OF_TEXTS)


def records(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a file, as its class in `eval.schema` has them; a missing text is empty."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
