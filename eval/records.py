"""The results of a run by document, in ``documents.csv`` and ``times.csv``, from which every F1, difference, speed-up
and interval of a report can be computed again.

``documents.csv`` has a row for each document and, besides its id and the number of its gold mentions, a column for each
run of a variant, named ``STRATEGY DTYPE BATCH_SIZE RUN``, with matches and predictions as ``10/12``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from engine.text.scoring import Counts
from eval.render.files import read_table, records
from eval.schema import Interval
from eval.statistics import compare_f1, compare_speed

Key = tuple[str, str, int]  # strategy, dtype, batch size


@dataclass(frozen=True, eq=False)
class Record:
    """A variant at a batch size.

    ``runs``: counts of each document, for each run: one, several for ``random``, none if only speed was measured.
    ``times``: milliseconds of each batch, ``(batches,)``, medians over passes.
    """

    key: Key
    runs: Sequence[Sequence[Counts]] = field(default_factory=list)
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))


def interval_row(own: Sequence[Record], other: Sequence[Record], seed: int) -> Interval:
    """The row of ``intervals.csv``: differences of F1 and ratio of times against another, with 95 % intervals.

    Args:
        own: a variant, with weights of one or several seeds.
        other: the variant that it is compared with, with the same weights.
        seed: of the bootstrap.
    """
    # All weights have the same number of runs, so the mean over all runs is the mean over weights.
    runs, others = ([run for one in of for run in one.runs] for of in (own, other))
    (strategy, dtype, size), (against, against_dtype, _) = own[0].key, other[0].key
    return {
        "strategy": strategy,
        "dtype": dtype,
        "batch_size": size,
        "against": against,
        "against_dtype": against_dtype,
        **compare_f1(runs, others, seed),
        **compare_speed([one.times for one in own], [one.times for one in other], seed),
    }


def write_records(folder: Path, documents: Sequence[str], of: Iterable[Record]) -> None:
    """Writes ``documents.csv``; ``documents`` are the ids, in corpus order."""
    columns: dict[str, Sequence[object]] = {"document": documents}
    for record in of:
        for number, run in enumerate(record.runs):
            columns.setdefault("gold", [counts.gold for counts in run])
            columns[" ".join(map(str, (*record.key, number)))] = [f"{c.correct}/{c.predicted}" for c in run]
    pd.DataFrame(columns).to_csv(folder / "documents.csv", index=False)


def read_records(folder: Path) -> tuple[list[str], dict[Key, Record]]:
    """The ids in ``documents.csv``, and the variants with their counts and times, in the order of ``times.csv``."""
    table = read_table(folder, "documents")
    times: dict[Key, list[float]] = {}
    for row in records(read_table(folder, "times")):
        times.setdefault((row["strategy"], row["dtype"], int(row["batch_size"])), []).append(row["latency_ms"])
    runs: dict[Key, list[list[Counts]]] = {key: [] for key in times}
    for column in table.columns[2:]:
        strategy, dtype, size, _ = column.rsplit(" ", 3)
        pairs = (cell.split("/") for cell in table[column])
        counts = [Counts(int(one), int(of), gold) for (one, of), gold in zip(pairs, table["gold"], strict=True)]
        runs[strategy, dtype, int(size)].append(counts)
    return list(table["document"]), {key: Record(key, runs[key], np.array(of)) for key, of in times.items()}
