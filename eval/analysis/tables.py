"""All analyses of a corpus as files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from engine.text.documents import Document
from eval import schema
from eval.analysis.cases import Cases
from eval.analysis.comparison import Compared
from eval.analysis.errors import Errors
from eval.analysis.exits import Exits
from eval.analysis.subgroups import Subgroups, training_mentions

FILES = ("errors.csv", "confusion.csv", "exits.csv", "subgroups.csv", "gaps.csv", "cases.json")


class Analyses:
    """Errors, exits, cases and groups over documents, strategy by strategy.

    Args:
        layers: of the encoder.
        training: documents whose mentions are those seen in training; without them their groups are left out.
    """

    def __init__(self, layers: int, training: Iterable[Document] | None = None) -> None:
        self._errors, self._exits, self._cases = Errors(), Exits(), Cases()
        self._groups = Subgroups(layers, None if training is None else training_mentions(training))

    def add(self, compared: Compared) -> None:
        """Counts one document; all strategies must see the same documents in the same order."""
        for collector in (self._errors, self._exits, self._cases, self._groups):
            collector.add(compared)

    def write(self, out: Path, types: Iterable[str], seed: int) -> None:
        """Writes ``FILES`` to a folder; ``types`` are those that are scored, ``seed`` is the bootstrap's."""
        groups, gaps = self._groups.rows(seed)
        tables = {
            "errors": (self._errors.rows(), schema.ErrorCount),
            "confusion": (self._errors.confusion_rows(types), schema.Confusion),
            "exits": (self._exits.rows(), schema.Exit),
            "subgroups": (groups, schema.Group),
            "gaps": (gaps, schema.Gap),
        }
        for name, (rows, row) in tables.items():
            pd.DataFrame(list(rows), columns=schema.columns(row)).to_csv(out / f"{name}.csv", index=False)
        (out / "cases.json").write_text(json.dumps(self._cases.record()))
