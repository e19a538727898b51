"""Averages runs of ``eval.report`` over weights of different seeds: ``python -m eval.seeds RUN RUN …``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.command import as_command
from engine.errors import InputError, first_line
from engine.text.scoring import Counts
from eval.options import AtLeast
from eval.render.files import labelled, read_table, records
from eval.render.markdown import table as markdown_table
from eval.render.numbers import pp, ratio, speedup
from eval.schema import DENSE, SeedMean
from eval.statistics import f1_difference_interval, speedup_interval

KEY = ["strategy", "dtype", "batch_size"]
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Counted:
    """The contents of a run's ``documents.csv``.

    ``documents``: their ids in corpus order; ``runs``: by strategy, dtype and batch size, counts per document for each
    run (one, except for ``random``, which has several seeds).
    """

    documents: tuple[str, ...]
    runs: dict[Key, list[list[Counts]]]


def load_counts(run: Path) -> Counted:
    """Loads a run's counts.

    Raises:
        InputError: documents in another order, or missing, under some strategy.
    """
    table = read_table(run, "documents")
    documents: set[tuple[str, ...]] = set()
    runs: dict[Key, list[list[Counts]]] = {}
    for _, of in table.groupby([*KEY, "run"], sort=False):
        documents.add(tuple(of["document"]))
        counts = [Counts(*row) for row in of[["correct", "predicted", "gold"]].itertuples(index=False)]
        runs.setdefault(_key(of.iloc[0]), []).append(counts)
    if len(documents) != 1:
        raise InputError(f"expected the same documents under all strategies in {run}, got different ones; run it again")
    return Counted(documents.pop(), runs)


def load_times(run: Path) -> dict[Key, np.ndarray]:
    """Milliseconds of each batch, by strategy, dtype and batch size, from ``times.csv``."""
    times: dict[Key, list[float]] = {}
    for row in records(read_table(run, "times")):
        times.setdefault(_key(row), []).append(row["latency_ms"])
    return {key: np.array(of) for key, of in times.items()}


def _key(row: Any) -> Key:
    return str(row["strategy"]), str(row["dtype"]), int(row["batch_size"])


def combine(runs: Sequence[Path], seed: int = 0) -> pd.DataFrame:
    """Averages F1, loss and speed-up over the runs; loss and speed-up have paired-bootstrap intervals.

    Raises:
        InputError: a folder without results, or runs of different strategies or documents.
    """
    try:
        tables = [read_table(run, "results").set_index(KEY) for run in runs]
        counts = [load_counts(run) for run in runs]
        times = [load_times(run) for run in runs]
    except FileNotFoundError as error:
        raise InputError(
            f"expected a run of eval.report, got none: {error.filename} is missing; name its --out"
        ) from error
    except InputError:
        raise
    except (KeyError, ValueError) as error:
        raise InputError(f"expected runs of eval.report, got others: {first_line(error)}; name their --out") from error
    keys = list(counts[0].runs)
    if any((list(one.runs), one.documents) != (keys, counts[0].documents) for one in counts):
        raise InputError("expected runs of the same strategies on the same documents, got different ones; repeat them")
    timed = [table[["timed_documents", "seed"]].iloc[0].tolist() for table in tables]
    if timed[0][0] == len(counts[0].documents):
        timed = [one[:1] for one in timed]  # all documents are timed, so the seed draws none
    if any(one != timed[0] for one in timed):
        raise InputError("expected runs with the same --timed and --seed, got different ones; repeat them")
    first = next(dtype for strategy, dtype, _ in keys if strategy == DENSE)
    rows: list[SeedMean] = []
    for key in keys:
        dense_key = DENSE, first, key[2]
        # All weights have the same number of runs, so the mean over all runs is the mean over weights.
        own, dense = ([run for one in counts for run in one.runs[name]] for name in (key, dense_key))
        f1, dense_f1 = (
            np.array([np.mean([Counts.total(run).f1 for run in one.runs[name]]) for one in counts])
            for name in (key, dense_key)
        )
        speed, theoretical = (
            np.array([table.loc[key, column] for table in tables], dtype=float)
            for column in ("speedup_vs_dense", "theoretical_speedup")
        )
        interval = f1_difference_interval(own, dense, seed)
        ratio = speedup_interval([one[dense_key] for one in times], [one[key] for one in times], seed)
        rows.append(
            {
                "strategy": key[0],
                "dtype": key[1],
                "batch_size": key[2],
                "seeds": len(runs),
                "f1": f1.mean(),
                "f1_lowest": f1.min(),
                "f1_highest": f1.max(),
                "against": DENSE,
                "against_dtype": first,
                "difference": (f1 - dense_f1).mean(),
                "low": interval.low,
                "high": interval.high,
                "significant": interval.excludes(0),
                "speedup_vs_dense": speed.mean(),
                "speedup_low": ratio.low,
                "speedup_high": ratio.high,
                "speedup_significant": ratio.excludes(1),
                "speedup_lowest": speed.min(),
                "speedup_highest": speed.max(),
                "theoretical_speedup": float(theoretical.mean()),
            }
        )
    return pd.DataFrame(rows)


def markdown(means: pd.DataFrame) -> str:
    """The table as Markdown."""
    columns = (
        "batch", "strategy", "F1, mean (seeds)", "F1 against dense, pp [95 %]", "speed-up, mean [95 %] (seeds)",
        "theoretical",
    )  # fmt: skip
    means = labelled(means, means).sort_values("batch_size", kind="stable")
    return markdown_table(columns, [_cells(row) for row in records(means)])


def _cells(row: Any) -> list[str]:
    speed = speedup({**row, "speedup": row["speedup_vs_dense"]})
    return [
        str(row["batch_size"]),
        row["label"],
        f"{row['f1']:.4f} ({row['f1_lowest']:.4f}–{row['f1_highest']:.4f})",
        pp(row),
        f"{speed} ({row['speedup_lowest']:.2f}–{row['speedup_highest']:.2f})",
        ratio(row["theoretical_speedup"]),
    ]


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.seeds", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="--out of a run of eval.report")
    parser.add_argument("--out", type=Path, help="CSV file to write as well")
    parser.add_argument("--seed", type=int, action=AtLeast, const=0, default=0, help="of the bootstrap")
    arguments = parser.parse_args(argv)
    table = combine(arguments.runs, arguments.seed)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
