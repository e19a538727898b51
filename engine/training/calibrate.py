"""Chooses operating points: ``python -m engine.training.calibrate``.

For each strategy, settings run on texts that the model was not fitted to (see ``engine.training.sweep``), and so do the
stored operating points. Of the settings that meet the requirement of an operating point, one of the fastest is chosen
(see ``engine.training.trials``). Losses are pp of agreement with the entities that the dense pass finds, so no gold is
needed. The chosen settings go to ``operating_points.json`` in the model folder.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.cli.command import as_command
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.loaded import DTYPES
from engine.models.checksums import updating
from engine.models.folder import POINTS, model_folder
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.tagger import Engine, load_engine
from engine.training.card import points_of, rows_of, table
from engine.training.sweep import Sweep
from engine.training.trials import LIMITS, Reference, parse_requirements


def store_points(folder: Path, points: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Writes strategy → operating point → settings, and their checksum, to a model folder; keeps other strategies'.

    Strategies without operating points are left out.
    """
    path = folder / POINTS
    stored = json.loads(path.read_text()) if path.is_file() else {}
    with updating(folder, POINTS) as fresh:
        fresh.write_text(json.dumps({name: of for name, of in {**stored, **points}.items() if of}, indent=2) + "\n")


def parse_strategies(text: str, engine: Engine) -> list[str]:
    """Parses names of strategies joined by commas; if empty, all that the model can run, without recovery."""
    runnable = [name for name in engine.runnable if name.removesuffix(RECOVERY) in CONTROLLERS]
    names = text.split(",") if text else [name for name in runnable if not name.endswith(RECOVERY)]
    if unknown := set(names) - set(runnable):
        raise InputError(
            f"expected one or more of {runnable} for --strategies, got {sorted(unknown)}; leave them out, or train a "
            "controller with python -m engine.training.controller"
        )
    return list(dict.fromkeys(names))


def _stored(engine: Engine, name: str) -> list[Strategy]:
    """The stored operating points of a strategy that this version can run."""
    found = []
    for point in engine.points.get(name, {}):
        with suppress(InputError):
            found.append(engine.strategy(name, point))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.calibrate", description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="model folder with gates; the operating points are written into it")
    add(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts in any format that the model was not fitted to"
    )
    add(
        "--max-f1-drop",
        default=LIMITS,
        help="pp of agreement that careful, balanced and fast may lose (default %(default)s)",
    )
    add("--minutes", type=float, default=math.inf, help="minutes for all strategies together (default: no limit)")
    add("--dtype", default="float32", choices=DTYPES, help="dtype in which settings are measured (default %(default)s)")
    add(
        "--strategies",
        default="",
        help=f"one or more of {', '.join(CONTROLLERS)}, each also with {RECOVERY}, joined by commas "
        "(default: all that the model can run, without recovery)",
    )
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if not arguments.minutes > 0:
        raise InputError(f"expected --minutes above 0, got {arguments.minutes:g}; give some")
    requirements = parse_requirements(arguments.max_f1_drop, "--max-f1-drop")
    deadline = time.monotonic() + 60 * arguments.minutes
    folder = model_folder(arguments.model)
    engine = load_engine(folder, arguments.dtype)
    engine.strategy("truncate-1")  # refuses a model without gates
    names = parse_strategies(arguments.strategies, engine)
    sweep = Sweep(engine, Reference.agreement(engine, read_texts(arguments.texts)), requirements)
    points = {}
    for number, name in enumerate(names):
        sweep.run(name, _stored(engine, name), (deadline - time.monotonic()) / (len(names) - number))
        rows = rows_of(sweep, name)
        points[name] = points_of(rows)
        print(f"{name}:\n{table(rows, ())}" if rows else f"{name}: no setting that was tried saves anything")
        if time_out := sweep.time_out(name):
            print(f"{name}: {time_out}; give more --minutes")
    store_points(folder, points)
    print(f"the operating points are in {folder / POINTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
