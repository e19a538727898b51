"""Reads the files of a report as tables and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pandas as pd

from eval import schema
from eval.schema import DENSE, Interval, Result, columns, display_names

FILES: dict[str, type] = {  # of a report, by name without suffix
    "results": Result,
    "intervals": Interval,
    "times": schema.BatchTime,
    "cost": schema.Cost,
    "errors": schema.ErrorCount,
    "confusion": schema.Confusion,
    "exits": schema.Exit,
    "subgroups": schema.Group,
    "gaps": schema.Gap,
    "ablations": schema.Ablation,
}

R = TypeVar("R", bound=Mapping[str, Any])


class ResultRow(Result):
    """A row of ``results.csv`` with its variant's display name."""

    label: str


class IntervalRow(Interval):
    """A row of ``intervals.csv`` with its variants' display names."""

    label: str
    against_label: str


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Reads a CSV file of a folder, by name without suffix.

    Only an empty cell of a number is missing, because a type may be called NA and a model null.
    """
    texts = [column for column, type_ in get_type_hints(FILES.get(name, dict)).items() if type_ is str]
    types: Any = dict.fromkeys([*texts, "dtype", "document"], str)
    table = pd.read_csv(folder / f"{name}.csv", dtype=types, keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(types, ""))


def read_complete_table(folder: Path, name: str) -> pd.DataFrame:
    """Reads one of ``FILES``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it lacks columns.
    """
    table = read_table(folder, name)
    if missing := [column for column in columns(FILES[name]) if column not in table]:
        raise ValueError(f"{name}.csv lacks {', '.join(missing)}")
    return table


def labelled(table: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Adds ``label``, the display name of each row's variant, and ``against_label`` if rows name another variant."""
    names = display_names(results[["strategy", "dtype"]].itertuples(index=False, name=None))

    def label(*columns: str) -> list[str]:
        return [names[pair] for pair in table[list(columns)].itertuples(index=False, name=None)]

    added = {"label": label("strategy", "dtype")}
    if "against" in table:
        added["against_label"] = label("against", "against_dtype")
    return table.assign(**added)


def reference_row(rows: Iterable[R]) -> R:
    """The row of dense in the first dtype, with which everything is compared."""
    return next(row for row in rows if row["kind"] == DENSE)


def reference_label(rows: Iterable[Mapping[str, Any]]) -> str:
    """The label of `reference_row`, from `labelled` rows."""
    return str(reference_row(rows)["label"])


def rows_of(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a file, as typed in `eval.schema`."""
    return table.to_dict("records")
