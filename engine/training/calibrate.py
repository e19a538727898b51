"""Chooses operating points: ``python -m engine.training.calibrate``.

For each strategy, settings run on texts that the model was not fitted to (see ``engine.training.sweep``), and so do the
stored operating points. Of the settings that meet the requirement of an operating point, one of the fastest is chosen
(see ``engine.training.trials``). Losses are pp of F1 against dense: on a corpus by its gold, with ``--texts`` by
agreement with the entities that the dense pass finds. The chosen settings go to ``operating_points.json`` in the model
folder.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.checksums import updating
from engine.command import as_command
from engine.data.corpora import load_corpus
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.folder import POINTS, model_folder
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.tagger import DTYPES, Engine, load_engine
from engine.training.sweep import Sweep
from engine.training.trials import Reference, Trial, parse_requirements

GOLD_LIMITS = "0.1,0.3,1.0"  # pp of F1 against gold
AGREEMENT_LIMITS = "0.2,0.5,1.5"  # pp of agreement


def store_points(folder: Path, points: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Writes strategy → operating point → settings, and their checksum, to a model folder; keeps other strategies'.

    Strategies without operating points are left out.
    """
    path = folder / POINTS
    stored = json.loads(path.read_text()) if path.is_file() else {}
    with updating(folder, POINTS) as fresh:
        fresh.write_text(json.dumps({name: of for name, of in {**stored, **points}.items() if of}, indent=2) + "\n")


def describe(sweep: Sweep, name: str) -> Iterator[str]:
    """Yields a line for each operating point of a strategy."""
    chosen, closest = sweep.chosen(name), sweep.closest(name)
    for requirement in sweep.requirements:
        if one := chosen.get(requirement.point):
            yield f"{name} {requirement.point}: {_figures(one)}, {one.strategy.to_json()}"
        else:
            what = f"the one that loses least: {_figures(closest)}" if closest else "none that was tried saves anything"
            yield f"{name} {requirement.point}: left out, for no setting within {requirement.max_loss:g} pp; {what}"
    if time_out := sweep.time_out(name):
        yield f"{name}: {time_out}; give more --minutes"


def _figures(one: Trial) -> str:
    loss = f"{one.loss:.2f} ± {one.loss_error:.2f} pp lost"
    return f"F1 {one.f1:.4f}, {loss}, theoretical speed-up {one.theoretical_speedup:.2f}×"


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
    add("--corpus", default="bc5cdr", help="corpus with gold (default %(default)s)")
    add("--split", default="calib", help="a split that the model was not fitted to (default %(default)s)")
    add("--data-dir", help="folder searched first for named corpora")
    add("--texts", nargs="+", metavar="FILE", help="texts without gold, in place of a corpus; agreement replaces F1")
    add(
        "--max-f1-drop",
        help="pp of F1 that careful, balanced and fast may lose "
        f"(default {GOLD_LIMITS}; with --texts {AGREEMENT_LIMITS})",
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
    limits = arguments.max_f1_drop or (AGREEMENT_LIMITS if arguments.texts else GOLD_LIMITS)
    requirements = parse_requirements(limits, "--max-f1-drop")
    deadline = time.monotonic() + 60 * arguments.minutes
    folder = model_folder(arguments.model)
    engine = load_engine(folder, arguments.dtype)
    engine.strategy("truncate-1")  # refuses a model without gates
    names = parse_strategies(arguments.strategies, engine)
    if arguments.texts:
        reference = Reference.agreement(engine, read_texts(arguments.texts))
    else:
        reference = Reference.gold(engine, load_corpus(arguments.corpus, arguments.split, arguments.data_dir))
    sweep = Sweep(engine, reference, requirements)
    for number, name in enumerate(names):
        sweep.run(name, _stored(engine, name), (deadline - time.monotonic()) / (len(names) - number))
        print(*describe(sweep, name), sep="\n")
    chosen = {name: sweep.chosen(name) for name in names}
    store_points(folder, {name: {at: one.strategy.to_json() for at, one in of.items()} for name, of in chosen.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
