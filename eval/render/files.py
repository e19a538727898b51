"""The files of a run as tables and rows, and those of older runs as if they were new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from eval.schema import DENSE, Interval, Result, labels

_OF_TEXTS = ("errors", "confusion", "ablations", "documents")  # in which an empty cell, or "none", is a text
_TEXTS = {column: str for column, type_ in get_type_hints(Result).items() if type_ is str}  # also where all are missing
_WITHOUT_DTYPE = ("ablations", "recovery", "seeds")


class ResultRow(Result):
    """A row of ``results.csv``, and what readers call its variant."""

    label: str


class IntervalRow(Interval):
    """A row of ``intervals.csv``, and what readers call its variants."""

    label: str
    against_label: str


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A CSV file of a folder, by its name without the suffix."""
    texts = {"results": _TEXTS, "ablations": {"value": str}, "documents": {"document": str}}
    table = pd.read_csv(folder / f"{name}.csv", dtype=texts.get(name), keep_default_na=name not in _OF_TEXTS)
    if name == "results" or name in _WITHOUT_DTYPE:
        return completed(table)
    return table if "dtype" in table else completed(table, read_table(folder, "results"))


def completed(table: pd.DataFrame, results: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table of a report with the columns that those of older ones lack, which ran in one dtype and timed everything.

    ``results``: ``results.csv``, unless the table is that.
    """
    missing: dict[str, Any] = {}
    if results is None:
        same = {"timed_documents": "documents", "speedup_vs_dense_same_dtype": "speedup_vs_dense"}
        missing = {name: table[column] for name, column in same.items() if column in table}
    else:
        missing["dtype"] = results["dtype"].iloc[0]
        if "against" in table:
            missing["against_dtype"] = missing["dtype"]
    return table.assign(**{name: value for name, value in missing.items() if name not in table})


def labelled(table: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """A table with ``label``, what readers call each row's variant, and ``against_label`` where there is another."""
    names = labels(results[["strategy", "dtype"]].itertuples(index=False, name=None))

    def of(*columns: str) -> list[str]:
        return [names[pair] for pair in table[list(columns)].itertuples(index=False, name=None)]

    table = table.assign(label=of("strategy", "dtype"))
    return table.assign(against_label=of("against", "against_dtype")) if "against" in table else table


def reference(rows: Iterable[Mapping[str, Any]]) -> str:
    """The label of dense in the first dtype, to which everything is compared, from rows that are `labelled`."""
    return next(str(row["label"]) for row in rows if row["kind"] == DENSE)


def records(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a file, as its class in `eval.schema` has them; a missing text is empty."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
