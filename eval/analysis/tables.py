"""Writes all tables of a report, from the record of its run and the corpus alone.

Besides the files of `eval.schema`, ``documents.csv`` has a row for each document: its id, the number of its gold
mentions, and for each run of a variant a column ``STRATEGY DTYPE BATCH_SIZE RUN`` with matches and predictions as
``10/12``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data.corpora import Corpus
from engine.text.documents import Document
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.analysis.scores import Counted, cost_rows, count, interval_rows, result_row, time_rows
from eval.record import Record
from eval.schema import DIGITS, MORE_DIGITS, columns


def write_tables(
    folder: Path,
    corpus: Corpus,
    record: Record,
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] | None = None,
    seed: int = 0,
) -> None:
    """Writes the CSV files to an existing folder.

    Args:
        folder: folder of the report.
        corpus: the documents with gold; its types are scored.
        record: what was found.
        memory: bytes that a process with one variant alone occupies, by `eval.record.Variant.key`.
        facts: further cells of all rows of ``results.csv``.
        training: documents whose mentions count as seen; without them, groups by them are left out.
        seed: seed of the bootstrap.
    """
    by_size = list(record.values())
    every = [(one, others) for others in by_size for one in others.values()]
    results: list[object] = [{**result_row(*pair, corpus), "seed": seed, **facts} for pair in every]
    _write(folder, "results", results, DIGITS)
    _write(folder, "intervals", (row for of in by_size for row in interval_rows(of, corpus, seed)), DIGITS)
    _write(folder, "times", (row for one, _ in every for row in time_rows(one)), DIGITS)
    first = by_size[0]
    _write(folder, "cost", cost_rows(first, memory), DIGITS)
    counted = [count(one, corpus) for one, _ in every]
    _document_table(corpus.documents, counted).to_csv(folder / "documents.csv", index=False)

    comparisons = compare(first, corpus)
    _write(folder, "errors", (row for one in comparisons for row in error_rows(one)))
    _write(folder, "confusion", (row for one in comparisons for row in confusion_rows(one)))
    _write(folder, "exits", (row for one in comparisons for row in exit_rows(one)))
    _write(folder, "subgroups", group_rows(comparisons, training, seed))


def _write(folder: Path, name: str, rows: Iterable[object], digits: str = MORE_DIGITS) -> None:
    found: list[Any] = list(rows)
    table = pd.DataFrame(found, columns=columns(name))
    table.to_csv(folder / f"{name}.csv", index=False, float_format=digits)


def _document_table(documents: Sequence[Document], counted: Iterable[Counted]) -> pd.DataFrame:
    table: dict[str, Sequence[object]] = {"document": [document.id for document in documents]}
    for one in counted:
        for number, run in enumerate(one.runs):
            table.setdefault("gold", [counts.gold for counts in run])
            table[" ".join(map(str, (*one.key, number)))] = [f"{c.correct}/{c.predicted}" for c in run]
    return pd.DataFrame(table)
