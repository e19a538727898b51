"""Plots calibration frontiers together: ``python -m eval.frontier NAME=frontier.csv … --strategy entropy --out PNG``.

A frontier holds the settings that no other beats in both F1 lost and MACs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from engine.command import as_command
from engine.errors import InputError, first_line
from eval.render.plots import plot_frontiers

FORMATS = ".png", ".pdf", ".svg"


def pareto(table: pd.DataFrame) -> pd.DataFrame:
    """The Pareto-optimal rows, ascending in both ``theoretical_speedup`` and ``f1_drop_points``."""
    ordered = table.sort_values(["theoretical_speedup", "f1_drop_points"], ascending=[False, True])
    best = ordered["f1_drop_points"].astype(float).cummin().shift(fill_value=float("inf"))
    return ordered[ordered["f1_drop_points"] < best].iloc[::-1]


def load(files: Mapping[str, Path], strategy: str) -> dict[str, pd.DataFrame]:
    """Loads a strategy's frontier from each file of ``engine.training.calibrate``.

    Raises:
        InputError: no such file, or nothing on the strategy in it.
    """
    found = {}
    for name, path in files.items():
        try:
            table = pd.read_csv(path)
            found[name] = pareto(table[table["strategy"] == strategy])
        except (OSError, ValueError, KeyError) as error:  # no file, no table, or another table
            raise InputError(f"expected a frontier.csv, got {path}: {first_line(error)}; check the path") from error
        if found[name].empty:
            raise InputError(f"expected settings of {strategy} in {path}, got none; calibrate it")
    return found


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.frontier", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="NAME=FILE", help="a name for the plot and a frontier.csv")
    parser.add_argument("--strategy", default="entropy")
    parser.add_argument("--out", type=Path, default=Path("frontier.png"))
    arguments = parser.parse_args(argv)
    if arguments.out.suffix not in FORMATS:
        raise InputError(f"expected --out to end in {', '.join(FORMATS)}, got {arguments.out}; rename it")
    named = dict(part.partition("=")[::2] for part in arguments.files)
    if not all(named.values()) or len(named) < len(arguments.files):
        raise InputError(
            f"expected NAME=FILE, each name once, got {arguments.files}; write e.g. before=weights/a/frontier.csv"
        )
    frontiers = load({name: Path(file) for name, file in named.items()}, arguments.strategy)
    plot_frontiers(frontiers, arguments.strategy).savefig(arguments.out, dpi=150)
    for name, table in frontiers.items():
        settings = table[["theoretical_speedup", "f1_drop_points"]].itertuples(index=False)
        print(f"{name}: " + ", ".join(f"{speed:.2f}× at {lost:.2f} points lost" for speed, lost in settings))
    print(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
