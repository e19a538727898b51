"""A folder that ``eval.report`` has written, as its pages, the docs and the app read it."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from engine.errors import explained
from eval.schema import DENSE, LAST, TEXTS, Row


def rows_of(frame: pd.DataFrame) -> list[Row]:
    return frame.to_dict("records")  # type: ignore[return-value]


class ReportFolder:
    """The folder of a finished run; each table is read once, when it is first needed.

    Raises an `InputError` if a file that is needed is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self._frames: dict[str, pd.DataFrame] = {}
        self._unfinished = f"{folder} holds no finished report", "Make one with bioner report"
        with explained(*self._unfinished):
            record = json.loads((folder / LAST).read_text(encoding="utf-8"))
            self.about: dict[str, Any] = record["about"]  # facts about the run: command, model, machine, settings
            self.notes: list[str] = record["notes"]  # remarks that readers must see first

    def frame(self, name: str) -> pd.DataFrame:
        """One of the CSV files in `eval.schema.TEXTS`."""
        if name not in self._frames:
            texts: Any = dict.fromkeys(TEXTS[name], str)
            # Only an empty cell of a number is missing: a type may be called NA, a model null.
            with explained(*self._unfinished):
                frame = pd.read_csv(self.folder / f"{name}.csv", dtype=texts, keep_default_na=False, na_values=[""])
            self._frames[name] = frame.fillna(dict.fromkeys(texts, ""))
        return self._frames[name]

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of ``results.csv``."""
        return rows_of(self.frame("results"))

    @property
    def sizes(self) -> list[int]:
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def dense(self) -> Row:
        """Dense in float32 at the smallest batch size, with which everything is compared."""
        return next(row for row in self.variants if row["kind"] == DENSE)

    @property
    def variants(self) -> list[Row]:
        """The rows at the smallest batch size."""
        return [row for row in self.rows if row["batch_size"] == self.sizes[0]]

    @property
    def is_scored_elsewhere(self) -> bool:
        """Whether F1 was measured on further corpora."""
        return bool(self.dense["elsewhere_documents"])

    @property
    def places(self) -> list[str]:
        """Before the columns of F1: nothing at home, and ``elsewhere_`` where F1 was measured on further corpora."""
        return ["", *["elsewhere_"] * self.is_scored_elsewhere]

    def losses(self, name: str) -> pd.DataFrame:
        """The rows of a table that are not about dense."""
        frame = self.frame(name)
        return frame[~frame["variant"].isin([row["variant"] for row in self.rows if row["kind"] == DENSE])]

    @cached_property
    def comparisons(self) -> dict[tuple[str, str, int], Row]:
        """The rows of ``intervals.csv``, by variant, what it is compared with, and batch size."""
        return {(row["variant"], row["against"], row["batch_size"]): row for row in rows_of(self.frame("intervals"))}

    def against_dense(self, variant: str, size: int | None = None) -> Row:
        """Compares a variant with `dense`, at the smallest batch size unless another is given."""
        return self.comparisons[variant, self.dense["variant"], size or self.sizes[0]]

    def speeds(self, rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
        """Compares a variant for each batch size with another one for each; empty if there are no others."""
        triples = zip(rows, others, self.sizes, strict=False)
        return [self.comparisons[row["variant"], other["variant"], size] for row, other, size in triples]
