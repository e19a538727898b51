"""The files of a run as tables and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pandas as pd

from eval.schema import (
    DENSE,
    Ablation,
    BatchTime,
    Confusion,
    Cost,
    ErrorCount,
    Exit,
    Gap,
    Group,
    Interval,
    Result,
    columns,
    labels,
)

FILES: dict[str, type] = {  # of a report
    "results": Result,
    "intervals": Interval,
    "times": BatchTime,
    "cost": Cost,
    "errors": ErrorCount,
    "confusion": Confusion,
    "exits": Exit,
    "subgroups": Group,
    "gaps": Gap,
    "ablations": Ablation,
}

_OF_TEXTS = ("errors", "confusion", "ablations", "documents")  # where an empty cell, or "none", is text
_TEXTS = {column: str for column, type_ in get_type_hints(Result).items() if type_ is str}  # even if all are missing
_NUMBERS = [column for column, type_ in get_type_hints(Ablation).items() if type_ is float]


R = TypeVar("R", bound=Mapping[str, Any])


class ResultRow(Result):
    """A row of ``results.csv`` with its variant's display name."""

    label: str


class IntervalRow(Interval):
    """A row of ``intervals.csv`` with its variants' display names."""

    label: str
    against_label: str


class GapRow(Gap):
    """A row of ``gaps.csv`` with its variant's display name."""

    label: str


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Reads a folder's CSV file, by name without suffix."""
    texts = {"results": _TEXTS, "ablations": {"value": str}, "documents": {"document": str}}
    empty: Any = [] if name in _OF_TEXTS else [""]
    if name == "ablations":
        empty = {column: [""] for column in _NUMBERS}
    path = folder / f"{name}.csv"
    # Only an empty cell means missing: a type may be called NA, a model null.
    return pd.read_csv(path, dtype=texts.get(name), keep_default_na=False, na_values=empty)


def complete_table(folder: Path, name: str) -> pd.DataFrame:
    """A table with all its columns.

    Raises:
        FileNotFoundError: no such file.
        ValueError: columns are missing.
    """
    table = read_table(folder, name)
    if missing := [column for column in columns(FILES[name]) if column not in table]:
        raise ValueError(f"{name}.csv lacks {', '.join(missing)}")
    return table


def labelled(table: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Adds ``label``, the display name of each row's variant, and ``against_label`` if there is another."""
    names = labels(results[["strategy", "dtype"]].itertuples(index=False, name=None))

    def of(*columns: str) -> list[str]:
        return [names[pair] for pair in table[list(columns)].itertuples(index=False, name=None)]

    table = table.assign(label=of("strategy", "dtype"))
    return table.assign(against_label=of("against", "against_dtype")) if "against" in table else table


def reference_row(rows: Iterable[R]) -> R:
    """The row of dense in the first dtype, to which everything is compared."""
    return next(row for row in rows if row["kind"] == DENSE)


def reference(rows: Iterable[Mapping[str, Any]]) -> str:
    """The label of `reference_row`, from `labelled` rows."""
    return str(reference_row(rows)["label"])


def records(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a file, as typed in `eval.schema`; missing text becomes empty."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
