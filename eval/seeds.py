"""Runs of ``eval.report`` that differ in the weights' seed, as one table: ``python -m eval.seeds RUN RUN …``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from engine.command import as_command
from engine.errors import InputError
from engine.text.scoring import Counts
from eval.render.files import records
from eval.render.markdown import escape
from eval.render.markdown import table as markdown_table
from eval.render.numbers import pace, points, ratio
from eval.schema import DENSE, SeedMean
from eval.statistics import f1_difference_interval, speedup_interval

KEY = ["strategy", "batch_size"]


@dataclass(frozen=True)
class Counted:
    """What ``documents.csv`` of a run holds.

    ``documents``: their ids in the order of the corpus; ``runs``: by strategy and batch size, counts of each document
    for each run (one, but for ``random``, whose choice has seeds of its own).
    """

    documents: tuple[str, ...]
    runs: dict[tuple[str, int], list[list[Counts]]]


def load_counts(run: Path) -> Counted:
    """Counts of a run.

    Raises:
        InputError: documents in another order, or missing, under some strategy.
    """
    table = pd.read_csv(run / "documents.csv", dtype={"document": str, "strategy": str}, keep_default_na=False)
    documents: set[tuple[str, ...]] = set()
    runs: dict[tuple[str, int], list[list[Counts]]] = {}
    for (strategy, *_), of in table.groupby(["strategy", "batch_size", "run"], sort=False):
        documents.add(tuple(of["document"]))
        counts = [Counts(*row) for row in of[["correct", "predicted", "gold"]].itertuples(index=False)]
        runs.setdefault((str(strategy), int(of["batch_size"].iloc[0])), []).append(counts)
    if len(documents) != 1:
        raise InputError(f"expected the same documents under all strategies in {run}, got different ones; run it again")
    return Counted(documents.pop(), runs)


def load_times(run: Path) -> dict[tuple[str, int], np.ndarray]:
    """Milliseconds of each batch, by strategy and batch size, from ``times.csv``."""
    times: dict[tuple[str, int], list[float]] = {}
    for row in pd.read_csv(run / "times.csv").to_dict("records"):
        times.setdefault((str(row["strategy"]), int(row["batch_size"])), []).append(row["latency_ms"])
    return {key: np.array(of) for key, of in times.items()}


def combine(runs: Sequence[Path], seed: int = 0) -> pd.DataFrame:
    """Mean F1, loss and speed-up over the runs; loss and speed-up with the intervals of a paired bootstrap.

    Raises:
        InputError: a folder without results, or runs of different strategies or documents.
    """
    try:
        tables = [pd.read_csv(run / "results.csv").set_index(KEY) for run in runs]
        counts = [load_counts(run) for run in runs]
        times = [load_times(run) for run in runs]
    except FileNotFoundError as error:
        raise InputError(
            f"expected a run of eval.report, got none: {error.filename} is missing; name its --out"
        ) from error
    keys = list(counts[0].runs)
    if any((list(one.runs), one.documents) != (keys, counts[0].documents) for one in counts):
        raise InputError("expected runs of the same strategies on the same documents, got different ones; repeat them")
    rows: list[SeedMean] = []
    for strategy, size in keys:
        # Every seed of the weights has as many runs as the others, so that all of them together have the same mean.
        own, dense = ([run for one in counts for run in one.runs[name, size]] for name in (strategy, DENSE))
        f1, dense_f1 = (
            np.array([np.mean([sum(run, Counts()).f1 for run in one.runs[name, size]]) for one in counts])
            for name in (strategy, DENSE)
        )
        speed, theoretical = (
            np.array([table.loc[(strategy, size), column] for table in tables], dtype=float)
            for column in ("speedup_vs_dense", "theoretical_speedup")
        )
        interval = f1_difference_interval(own, dense, seed)
        ratio = speedup_interval([one[DENSE, size] for one in times], [one[strategy, size] for one in times], seed)
        rows.append(
            {
                "strategy": strategy,
                "batch_size": size,
                "seeds": len(runs),
                "f1": f1.mean(),
                "f1_lowest": f1.min(),
                "f1_highest": f1.max(),
                "against": DENSE,
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
    """The table for people."""
    columns = (
        "batch", "strategy", "F1, mean (seeds)", "F1 against dense, points [95 %]", "speed-up, mean [95 %] (seeds)",
        "theoretical",
    )  # fmt: skip
    return markdown_table(columns, [_cells(row) for row in records(means.sort_values("batch_size", kind="stable"))])


def _cells(row: SeedMean) -> list[str]:
    speed = pace({**row, "speedup": row["speedup_vs_dense"]})
    return [
        str(row["batch_size"]),
        escape(row["strategy"]),
        f"{row['f1']:.4f} ({row['f1_lowest']:.4f}–{row['f1_highest']:.4f})",
        points(row),
        f"{speed} ({row['speedup_lowest']:.2f}–{row['speedup_highest']:.2f})",
        ratio(row["theoretical_speedup"]),
    ]


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.seeds", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="--out of a run of eval.report")
    parser.add_argument("--out", type=Path, help="CSV file to write as well")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args(argv)
    table = combine(arguments.runs, arguments.seed)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
