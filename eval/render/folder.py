"""A folder that ``eval.report`` has written, as its pages, the docs and the app read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from engine.errors import InputError
from eval.schema import DENSE, FILES, Interval, VariantResult

LAST = "results.json"  # written when everything else is there


def read_table(folder: Path, name: str, columns: type) -> pd.DataFrame:
    """Reads a CSV file, by name without suffix; ``columns``: its class in `eval.schema`.

    Only an empty cell of a number is missing, because a type may be called NA and a model null.

    Raises:
        ValueError: if the file lacks columns.
    """
    texts = [column for column, type_ in get_type_hints(columns).items() if type_ is str]
    types: Any = dict.fromkeys(texts, str)
    table = pd.read_csv(folder / f"{name}.csv", dtype=types, keep_default_na=False, na_values=[""])
    if missing := [column for column in columns.__annotations__ if column not in table]:
        raise ValueError(f"{name}.csv lacks {', '.join(missing)}")
    return table.fillna(dict.fromkeys(types, ""))


def rows_of(table: pd.DataFrame) -> Sequence[Any]:
    """The rows of a table, as typed in `eval.schema`."""
    return table.to_dict("records")


@dataclass(frozen=True)
class ReportFolder:
    """The folder of a finished run; each file is read once, when it is first needed.

    Raises:
        InputError: if a file that is needed is missing or damaged.
    """

    folder: Path
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @cached_property
    def _facts(self) -> dict[str, Any]:
        try:
            facts = json.loads((self.folder / LAST).read_text(encoding="utf-8"))
            return {"about": dict(facts["about"]), "notes": list(facts["notes"])}
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise self._unfinished(error) from error

    @property
    def about(self) -> dict[str, Any]:
        """The facts about the run: command, model, machine, settings."""
        about: dict[str, Any] = self._facts["about"]
        return about

    @property
    def notes(self) -> list[str]:
        """Remarks that readers must see first."""
        notes: list[str] = self._facts["notes"]
        return notes

    def table(self, name: str) -> pd.DataFrame:
        """One of `eval.schema.FILES`; rows of a variant also have its ``kind``."""
        if name not in self._tables:
            try:
                table = read_table(self.folder, name, FILES[name])
            except (OSError, ValueError) as error:
                raise self._unfinished(error) from error
            if "variant" in table and "kind" not in table:
                table["kind"] = table["variant"].map({row["variant"]: row["kind"] for row in self.rows})
            self._tables[name] = table
        return self._tables[name]

    def _unfinished(self, error: Exception) -> InputError:
        return InputError(f"expected a finished run in {self.folder}, got none: {error}; run it first")

    @cached_property
    def rows(self) -> Sequence[VariantResult]:
        """The rows of ``results.csv``."""
        return rows_of(self.table("results"))

    @cached_property
    def intervals(self) -> Sequence[Interval]:
        """The rows of ``intervals.csv``."""
        return rows_of(self.table("intervals"))

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def dense(self) -> VariantResult:
        """Dense in float32 at the first batch size, with which everything is compared."""
        return next(row for row in self.rows if row["kind"] == DENSE)

    @property
    def variants(self) -> list[VariantResult]:
        """The rows at the smallest batch size."""
        return [row for row in self.rows if row["batch_size"] == self.sizes[0]]

    def interval(self, variant: str, against: str, size: int | None = None) -> Interval | None:
        """Compares two variants, at the smallest batch size unless another is given; None if the report does not."""
        key = variant, against, size or self.sizes[0]
        return next((row for row in self.intervals if (row["variant"], row["against"], row["batch_size"]) == key), None)

    def against_dense(self, variant: str, size: int | None = None) -> Interval:
        """Compares a variant with `dense`, at the smallest batch size unless another is given."""
        interval = self.interval(variant, self.dense["variant"], size)
        if interval is None:
            raise self._unfinished(ValueError(f"intervals.csv does not compare {variant} with dense"))
        return interval

    def per_second(self, variant: str, size: int) -> float:
        """How many timed documents a second a variant tags at a batch size."""
        times = self.table("times")
        own = times.loc[(times["variant"] == variant) & (times["batch_size"] == size), "latency_ms"]
        return 1000 * self.dense["timed_documents"] / float(own.sum())
