"""What recovery gains and costs, for each trigger at each operating point: ``python -m eval.recovery``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from engine.command import as_command
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.runs import locked
from engine.tagger import load_engine
from eval.measure.recovery import rows
from eval.options import AtLeast, add_inputs, check_types, corpus_of, names
from eval.render.html import write_page
from eval.render.recovery import recovery_page, recovery_table


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.recovery", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="test")
    parser.add_argument("--strategies", default="entropy", help=f"comma-separated, out of {', '.join(CONTROLLERS)}")
    parser.add_argument("--points", default="", help="comma-separated operating points (default all)")
    parser.add_argument("--seed", type=int, action=AtLeast, const=0, default=0, help="of the bootstrap")
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder for recovery.csv and recovery.md (default results)"
    )
    arguments = parser.parse_args(argv)
    engine = load_engine(arguments.model)
    corpus = corpus_of(arguments)
    check_types(corpus.types, engine.labels.types)
    strategies = names(arguments.strategies)
    if missing := [name for name in strategies if name not in CONTROLLERS or name not in engine.points]:
        raise InputError(f"expected strategies with operating points, got {missing}; calibrate them first")
    found, points = [], names(arguments.points)
    with locked(arguments.out):
        for row in tqdm(rows(engine, corpus, strategies, arguments.seed, points), desc="settings", disable=None):
            found.append(row)
            pd.DataFrame(found).to_csv(arguments.out / "recovery.csv", index=False)
        table = recovery_table(pd.DataFrame(found))
        write_page(arguments.out / "recovery.md", recovery_page(f"{corpus.name} {corpus.split}", table))
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
