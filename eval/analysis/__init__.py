"""Explains measurements: errors, exits, cases and groups of mentions, as files that stack several dtypes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from engine.text.documents import Document
from eval import schema
from eval.analysis.comparison import Compared
from eval.analysis.errors import Cases, Errors
from eval.analysis.exits import Exits
from eval.analysis.subgroups import Subgroups, training_mentions

FILES = ("errors.csv", "confusion.csv", "exits.csv", "subgroups.csv", "gaps.csv", "cases.json")


class Analyses:
    """Collects errors, exits, cases and groups over documents, by strategy.

    Args:
        layers: of the encoder.
        training: documents whose mentions count as seen in training; without them, those groups are omitted.
    """

    def __init__(self, layers: int, training: Iterable[Document] | None = None) -> None:
        self._errors, self._exits, self._cases = Errors(), Exits(), Cases()
        self._groups = Subgroups(layers, None if training is None else training_mentions(training))

    def add(self, compared: Compared) -> None:
        """Counts one document; all strategies must see the same documents in the same order."""
        for collector in (self._errors, self._exits, self._cases, self._groups):
            collector.add(compared)

    def tables(self, types: Iterable[str], seed: int) -> dict[str, pd.DataFrame]:
        """Tables by file name; ``types`` are the scored ones, ``seed`` is the bootstrap's."""
        groups, gaps = self._groups.rows(seed)
        tables = {
            "errors": (self._errors.rows(), schema.ErrorCount),
            "confusion": (self._errors.confusion_rows(types), schema.Confusion),
            "exits": (self._exits.rows(), schema.Exit),
            "subgroups": (groups, schema.Group),
            "gaps": (gaps, schema.Gap),
        }
        return {name: pd.DataFrame(list(rows), columns=schema.columns(row)) for name, (rows, row) in tables.items()}

    def cases(self) -> list[dict[str, Any]]:
        """See `Cases.record`."""
        return self._cases.record()


def write(out: Path, by_dtype: Mapping[str, Analyses], types: Iterable[str], seed: int) -> None:
    """Writes ``FILES`` to a folder, see `Analyses.tables`."""
    types = tuple(types)
    found = {dtype: of.tables(types, seed) for dtype, of in by_dtype.items()}
    for name in next(iter(found.values())):
        parts = [tables[name].assign(dtype=dtype) for dtype, tables in found.items()]
        table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        table.insert(0, "dtype", table.pop("dtype"))
        table.to_csv(out / f"{name}.csv", index=False, float_format=schema.MORE_DIGITS)
    cases = [{"dtype": dtype, **of} for dtype, one in by_dtype.items() for of in one.cases()]
    (out / "cases.json").write_text(json.dumps(cases))
