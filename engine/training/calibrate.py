"""Chooses operating points: ``python -m engine.training.calibrate``.

For each strategy, settings are tried on texts that the model was not fitted to. Of those that lose no more than the
limit of an operating point, one of the fastest is chosen. Losses are pp of agreement with the entities that the dense
pass finds, so no gold is needed. The model folder's ``operating_points.json`` stores the settings.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from engine.base import Engine
from engine.cli.command import as_command, program
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress
from engine.cli.runs import write_json
from engine.errors import InputError
from engine.formats import read_texts
from engine.models.folder import INT8, POINTS, WEIGHTS, model_folder, weights_digest
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.settings import setting
from engine.tagger import load_engine
from engine.training.agreement import Reference, Row, int8_agreement, references_of
from engine.training.card import table
from engine.training.options import PointsConfig


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(PointsConfig):
    """Settings of ``calibrate``."""

    model: str = setting(MISSING, "model folder with gates; the operating points are written into it")
    strategies: tuple[str, ...] = setting(
        (),
        f"one or more of {', '.join(CONTROLLERS)}, each also with {RECOVERY}, joined by commas; by default all that "
        "the model can run, without recovery",
    )
    minutes: float | None = setting(
        None, "time for all strategies together, by default without a limit", 1e-6, 10_000, unit="minutes"
    )


def store(folder: Path, entries: Mapping[str, Any]) -> None:
    """Writes entries of ``operating_points.json``, with the digest of the weights that they belong to; keeps others.

    An entry is a strategy and its operating points, or what was measured of dtype ``int8``; empty ones are left out.
    """
    path = folder / POINTS
    stored = json.loads(path.read_text()) if path.is_file() else {}
    stored |= {**entries, WEIGHTS: weights_digest(folder)}
    write_json(path, {name: entry for name, entry in stored.items() if entry})


def settings_by_point(rows: Iterable[Row]) -> dict[str, Any]:
    """Maps operating points to their settings, as they are stored."""
    return {row.name: row.trial.strategy.to_json() for row in rows if row.stored}


def checked(names: Sequence[str], engine: Engine) -> list[str]:
    """Returns names of strategies that the model can run; if there are none, all of these without recovery."""
    runnable = [name for name in engine.runnable if name.removesuffix(RECOVERY) in CONTROLLERS]
    names = names or [name for name in runnable if not name.endswith(RECOVERY)]
    if unknown := set(names) - set(runnable):
        raise InputError(
            f"expected one or more of {runnable} for --strategies, got {sorted(unknown)}; leave them out, or train a "
            "controller with python -m engine.training.controller"
        )
    return list(dict.fromkeys(names))


def try_int8(folder: Path, texts: Sequence[str]) -> dict[str, Reference]:
    """Stores whether ``dense`` in 8 bits agrees with float32 on texts; returns the reference of each dtype."""
    references = references_of(folder, texts)
    store(folder, {INT8: int8_agreement(**references)})
    return references


@as_command
def main(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=program("engine.training.calibrate"), description=__doc__)
    held_out = "texts in any format that the model was not fitted to"
    parser.add_argument("--texts", nargs="+", required=True, metavar="FILE", help=held_out)
    add_options(parser, CalibrateConfig)
    arguments = parser.parse_args(argv)
    config = config_of(CalibrateConfig, arguments)
    folder = model_folder(config.model)
    texts = read_texts(arguments.texts)
    engine = load_engine(folder, "float32")
    engine.strategy("truncate-1")  # refuses a model without gates
    names = checked(config.strategies, engine)
    progress = Progress(f"Choose operating points of {', '.join(names)} on {len(texts)} texts")
    until = time.monotonic() + 60 * (math.inf if config.minutes is None else config.minutes)

    from engine.training.dense_pass import DensePass
    from engine.training.sweep import sweep

    references = try_int8(folder, texts)
    engine = load_engine(folder, config.dtype)
    kinds = {name.removesuffix(RECOVERY) for name in names}
    controllers = [engine.strategy(Strategy((1,), CONTROLLERS[kind]())).controller for kind in kinds]
    signals = {signal for controller in controllers if controller for signal in controller.signals}
    outputs = DensePass.run(engine, references[engine.dtype], signals)
    for number, name in enumerate(names):
        seconds = (until - time.monotonic()) / (len(names) - number)
        stored = list(map(engine.strategy, engine.points.get(name, {}).values()))
        rows = sweep(engine, outputs, name, config.limits, stored=stored, seconds=seconds)
        store(folder, {name: settings_by_point(rows)})
        print(f"{name}:\n{table(rows, ())}" if rows else f"{name}: no setting that was tried saves anything")
    progress.finish(
        f"the operating points are in {folder / POINTS}.", f"python -m eval.report --model {folder} --corpus CORPUS"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
