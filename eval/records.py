"""Results of a run by document and batch: every F1, speed-up and interval of a report can be computed from them again.

``documents.csv`` has a row for each document. Its columns are the document's id, the number of its gold mentions and
one for each run of a variant, named ``STRATEGY DTYPE BATCH_SIZE RUN``, with matches and predictions as ``10/12``.
``times.csv`` has the milliseconds of each batch, see `eval.schema.BatchTime`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from engine.text.scoring import Counts
from eval.render.files import read_table, rows_of
from eval.schema import Interval
from eval.statistics import compare_f1, compare_speed

Key = tuple[str, str, int]  # strategy, dtype, batch size


@dataclass(frozen=True, eq=False)
class Record:
    """A variant at a batch size."""

    key: Key  # strategy, dtype and batch size
    # Counts of each document, for each run: one run, several for ``random``, none if only speed was measured.
    runs: Sequence[Sequence[Counts]]
    times: np.ndarray  # milliseconds of each batch, ``(batches,)``, medians over passes


def interval_row(own: Sequence[Record], other: Sequence[Record], seed: int) -> Interval:
    """Compares a variant, on weights of one or several seeds, with another on the same weights: ``intervals.csv``."""
    # All weights have equally many runs, so that the mean over all runs is the mean over weights.
    runs, other_runs = ([run for record in records for run in record.runs] for records in (own, other))
    (strategy, dtype, size), (against, against_dtype, _) = own[0].key, other[0].key
    return {
        "strategy": strategy,
        "dtype": dtype,
        "batch_size": size,
        "against": against,
        "against_dtype": against_dtype,
        **compare_f1(runs, other_runs, seed),
        **compare_speed([record.times for record in own], [record.times for record in other], seed),
    }


def write_records(folder: Path, documents: Sequence[str], records: Iterable[Record]) -> None:
    """Writes ``documents.csv``, given the documents' ids in corpus order."""
    columns: dict[str, Sequence[object]] = {"document": documents}
    for record in records:
        for number, run in enumerate(record.runs):
            columns.setdefault("gold", [counts.gold for counts in run])
            columns[" ".join(map(str, (*record.key, number)))] = [f"{c.correct}/{c.predicted}" for c in run]
    pd.DataFrame(columns).to_csv(folder / "documents.csv", index=False)


def read_records(folder: Path) -> tuple[list[str], dict[Key, Record]]:
    """Returns the documents' ids and the records of all variants, in the order of ``times.csv``."""
    table = read_table(folder, "documents")
    times: dict[Key, list[float]] = {}
    for row in rows_of(read_table(folder, "times")):
        times.setdefault((row["strategy"], row["dtype"], int(row["batch_size"])), []).append(row["latency_ms"])
    runs: dict[Key, list[list[Counts]]] = {key: [] for key in times}
    for column in table.columns[2:]:
        strategy, dtype, size, _ = column.rsplit(" ", 3)
        pairs = (cell.split("/") for cell in table[column])
        counts = [Counts(int(one), int(of), gold) for (one, of), gold in zip(pairs, table["gold"], strict=True)]
        runs[strategy, dtype, int(size)].append(counts)
    return list(table["document"]), {key: Record(key, runs[key], np.array(ms)) for key, ms in times.items()}
