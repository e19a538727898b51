"""Computes F1, differences and intervals of reports from their published files: ``python -m eval.seeds RUN [RUN …]``.

One report is computed again from ``documents.csv`` and ``times.csv``; several, of weights of different seeds, are
averaged. The comparisons are those of the first report's ``intervals.csv``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.command import as_command
from engine.errors import InputError, first_line
from engine.text.scoring import Counts
from eval.options import AtLeast
from eval.records import interval_row, read_records
from eval.render.files import labelled, read_table, records
from eval.render.markdown import table as markdown_table
from eval.render.numbers import pp, ratio, speedup
from eval.schema import SeedMean

KEY = ["strategy", "dtype", "batch_size"]


def combine(runs: Sequence[Path], seed: int = 0) -> pd.DataFrame:
    """Means of F1, its difference and the speed-up over the runs, each with paired-bootstrap intervals.

    Raises:
        InputError: a folder without a report's files, or runs of different strategies, documents or timed documents.
    """
    try:
        results = [read_table(run, "results").set_index(KEY) for run in runs]
        pairs = records(read_table(runs[0], "intervals"))
        found = [read_records(run) for run in runs]
        timed = [table[["timed_documents", "documents", "seed"]].iloc[0].tolist() for table in results]
    except FileNotFoundError as error:
        raise InputError(
            f"expected a run of eval.report, got none: {error.filename} is missing; name its --out"
        ) from error
    except (KeyError, ValueError) as error:
        raise InputError(f"expected runs of eval.report, got others: {first_line(error)}; name their --out") from error
    documents, variants = found[0]
    if any((ids, list(of)) != (documents, list(variants)) for ids, of in found):
        raise InputError("expected runs of the same strategies on the same documents, got different ones; repeat them")
    if any(one[:1] != timed[0][:1] or (one[0] < one[1] and one[2] != timed[0][2]) for one in timed):
        raise InputError("expected runs with the same --timed and --seed, got different ones; repeat them")
    rows: list[SeedMean] = []
    for pair in pairs:
        key = pair["strategy"], pair["dtype"], pair["batch_size"]
        own, others = (
            [of[name] for _, of in found] for name in (key, (pair["against"], pair["against_dtype"], key[2]))
        )
        f1 = [float(np.mean([Counts.total(run).f1 for run in one.runs] or [np.nan])) for one in own]
        ratios = [other.times.sum() / one.times.sum() for one, other in zip(own, others, strict=True)]
        rows.append(
            {
                **interval_row(own, others, seed),
                "seeds": len(runs),
                "f1_lowest": min(f1),
                "f1_highest": max(f1),
                "speedup_lowest": min(ratios),
                "speedup_highest": max(ratios),
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
    means = labelled(means, means).sort_values("batch_size", kind="stable")
    return markdown_table(columns, [_cells(row) for row in records(means)])


def _cells(row: Any) -> list[str]:
    return [
        str(row["batch_size"]),
        row["label"],
        row["against_label"],
        f"{row['f1']:.4f} [{row['f1_low']:.4f}, {row['f1_high']:.4f}] ({row['f1_lowest']:.4f}–{row['f1_highest']:.4f})",
        pp(row),
        f"{speedup(row)} ({row['speedup_lowest']:.2f}–{row['speedup_highest']:.2f})",
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
