"""Computes F1, differences and intervals of reports again from their files: ``python -m eval.seeds RUN [RUN …]``.

Several reports, on weights trained with different seeds, are averaged. The comparisons are those of the first report's
``intervals.csv``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from engine.command import as_command
from engine.errors import InputError, first_line
from engine.text.scoring import Counts
from eval.analysis.scores import Counted, Key, interval_row
from eval.options import add_number
from eval.render.files import labelled, read_table, rows_of
from eval.render.text import f1_interval, pp, ratio, speedup
from eval.render.text import table as markdown_table

KEY = ["strategy", "dtype", "batch_size"]


def read_counts(folder: Path) -> tuple[list[str], dict[Key, Counted]]:
    """Returns the ids of a report's documents, and all variants in the order of ``times.csv``."""
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
    return list(table["document"]), {key: Counted(key, runs[key], np.array(ms)) for key, ms in times.items()}


def average(runs: Sequence[Path], seed: int = 0) -> pd.DataFrame:
    """Mean F1, difference and speed-up over the runs, each with a paired-bootstrap interval."""
    try:
        results = [read_table(run, "results").set_index(KEY) for run in runs]
        comparisons = rows_of(read_table(runs[0], "intervals"))
        by_run = [read_counts(run) for run in runs]
        timed = [table[["timed_documents", "documents", "seed"]].iloc[0].tolist() for table in results]
    except FileNotFoundError as error:
        raise InputError(
            f"expected a run of eval.report, got none: {error.filename} is missing; name its --out"
        ) from error
    except (KeyError, ValueError) as error:
        raise InputError(f"expected runs of eval.report, got others: {first_line(error)}; name their --out") from error
    documents, variants = by_run[0]
    if any((ids, list(counted)) != (documents, list(variants)) for ids, counted in by_run):
        raise InputError("expected runs of the same strategies on the same documents, got different ones; repeat them")
    # The seed matters only if some documents were drawn to be timed.
    if len({(count, seed if count < of else None) for count, of, seed in timed}) > 1:
        raise InputError("expected runs with the same --timed and --seed, got different ones; repeat them")
    rows = []
    for row in comparisons:
        key = row["strategy"], row["dtype"], row["batch_size"]
        other_key = row["against"], row["against_dtype"], row["batch_size"]
        own, other = ([counted[name] for _, counted in by_run] for name in (key, other_key))
        f1 = [float(np.mean([Counts.total(run).f1 for run in counted.runs])) for counted in own]
        speedups = [theirs.times.sum() / ours.times.sum() for ours, theirs in zip(own, other, strict=True)]
        rows.append(
            {
                **interval_row(own, other, seed),
                "seeds": len(runs),
                "f1_lowest": min(f1),
                "f1_highest": max(f1),
                "speedup_lowest": min(speedups),
                "speedup_highest": max(speedups),
                "theoretical_speedup": float(np.mean([table.loc[key, "theoretical_speedup"] for table in results])),
            }
        )
    return pd.DataFrame(rows)


def markdown(means: pd.DataFrame) -> str:
    """The table as Markdown."""
    columns = (
        "batch", "strategy", "against", "F1 [95 %] (seeds)", "difference, pp [95 %]", "speed-up [95 %] (seeds)",
        "theoretical",
    )  # fmt: skip
    cells = [
        [
            row["batch_size"],
            row["label"],
            row["against_label"],
            f"{f1_interval(row)} ({row['f1_lowest']:.4f}–{row['f1_highest']:.4f})",
            pp(row),
            f"{speedup(row)} ({row['speedup_lowest']:.2f}–{row['speedup_highest']:.2f})",
            ratio(row["theoretical_speedup"]),
        ]
        for row in rows_of(labelled(means, means).sort_values("batch_size", kind="stable"))
    ]
    return markdown_table(columns, cells)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.seeds", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run of eval.report (its --out)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the table to this CSV file")
    add_number(parser, "--seed", 0, default=0, help="seed of the bootstrap (default 0)")
    arguments = parser.parse_args(argv)
    table = average(arguments.runs, arguments.seed)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
