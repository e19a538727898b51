"""Reads the files of a report as tables and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pandas as pd

from eval.schema import DENSE, FILES, Interval, VariantResult, columns, display_names

# Published reports, by their folders in docs: on the shipped model, on one of BERT-base size that `accelerate` made
# from plain texts, and on a cascade of the shipped one and a large one, with 1 and with 32 texts a call.
SMALL, BASE = "bc5cdr-test", "bc5cdr-test-base"
CASCADE, CASCADE_MANY = "bc5cdr-test-cascade", "bc5cdr-test-cascade-batch-32"
NO_POINTS = ("", "default", "custom")  # in the column ``point``: not the name of an operating point

R = TypeVar("R", bound=Mapping[str, Any])


class ResultRow(VariantResult):
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


def read_tables(folder: Path, *names: str) -> dict[str, pd.DataFrame]:
    """Reads some of ``FILES``, `labelled`; the gold label in ``exits`` is named ``gold``.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one lacks columns.
    """
    found = {name: read_table(folder, name) for name in dict.fromkeys(("results", *names))}
    for name, table in found.items():
        if missing := [column for column in columns(name) if column not in table]:
            raise ValueError(f"{name}.csv lacks {', '.join(missing)}")
    return {name: labelled(found[name].rename(columns={"label": "gold"}), found["results"]) for name in names}


def labelled(table: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Adds ``label``, the display name of each row's variant, and ``against_label`` if rows name another variant.

    A strategy that ran at an operating point has it in its display name, typed or not: ``entropy:balanced``.
    """
    full = _with_points(results)
    names = display_names((full[strategy], dtype) for strategy, dtype in _pairs(results, "strategy", "dtype"))

    def label(*columns: str) -> list[str]:
        return [names[full[strategy], dtype] for strategy, dtype in _pairs(table, *columns)]

    added = {"label": label("strategy", "dtype")}
    if "against" in table:
        added["against_label"] = label("against", "against_dtype")
    return table.assign(**added)


def _with_points(results: pd.DataFrame) -> dict[str, str]:
    """Maps the strategies of ``results.csv``, as typed, to their names with the operating point."""
    full = {strategy: strategy for strategy in results["strategy"]}
    for strategy, point in _pairs(results, "strategy", "point") if "point" in results else ():
        named = f"{strategy}:{point}"
        if point not in NO_POINTS and ":" not in strategy and named not in full:
            full[strategy] = named
    return full


def _pairs(table: pd.DataFrame, *columns: str) -> Iterable[tuple[str, str]]:
    return table[list(columns)].itertuples(index=False, name=None)


def reference_row(rows: Iterable[R]) -> R:
    """The row of dense in the first dtype, with which everything is compared."""
    return next(row for row in rows if row["kind"] == DENSE)


def documents_per_second(row: ResultRow, times: pd.DataFrame) -> float:
    """How many documents a second a variant reads at a batch size; ``times``: `labelled`."""
    own = (times["label"] == row["label"]) & (times["batch_size"] == row["batch_size"])
    return 1000 * row["timed_documents"] / float(times.loc[own, "latency_ms"].sum())


def rows_of(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a file, as typed in `eval.schema`."""
    return table.to_dict("records")
