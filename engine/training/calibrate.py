"""Chooses operating points: ``python -m engine.training.calibrate``.

Settings of each strategy are tried on held-out texts. Of those within an operating point's limit, one of the fastest
is stored in ``operating_points.json``. What is lost is agreement with the dense pass, so no gold is needed.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, add_texts, config_of
from engine.errors import InputError
from engine.formats import read_texts
from engine.loading import load_engine
from engine.models.folder import model_folder
from engine.models.points_file import POINTS
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.settings import setting
from engine.training.card import advice, points_table
from engine.training.options import PointsConfig
from engine.training.points import Choice, points_of, store, store_agreement


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(PointsConfig):
    """Settings of ``calibrate``."""

    model: str = setting(MISSING, "model folder with gates; the operating points are written into it")
    strategies: tuple[str, ...] = setting(
        (), f"{', '.join(CONTROLLERS)}, each also with {RECOVERY}, joined by commas; default all but with {RECOVERY}"
    )


def choose_points(
    config: CalibrateConfig, folder: Path, names: Sequence[str], texts: Sequence[str]
) -> dict[str, list[Choice]]:
    """Stores the operating points of strategies; returns what was chosen for each."""
    from engine.training.dense_pass import DensePass
    from engine.training.sweep import sweep

    references = store_agreement(folder, texts)
    references["float32"].check()
    engine = load_engine(folder, config.dtype)
    kinds = {name.removesuffix(RECOVERY) for name in names}
    controllers = [engine.strategy(Strategy((1,), CONTROLLERS[kind]())).controller for kind in kinds]
    signals = {signal for controller in controllers if controller for signal in controller.signals}
    outputs = DensePass.of(engine, references[engine.dtype], signals)
    chosen = dict[str, list[Choice]]()
    for name in names:
        choices = chosen[name] = sweep(outputs, name, config.limits)
        store(folder, {name: points_of(choices)})
    return chosen


@as_command
def main(argv: list[str] | None) -> int:
    parser = new_parser("engine.training.calibrate", __doc__)
    add_texts(parser, "held-out texts in any format")
    add_options(parser, CalibrateConfig)
    arguments = parser.parse_args(argv)
    config = config_of(CalibrateConfig, arguments)
    folder = model_folder(config.model)
    texts = read_texts(arguments.texts, lines=arguments.lines)
    engine = load_engine(folder, "float32")
    engine.strategy("truncate-1")  # refuses a model without gates
    runnable = [name for name in engine.runnable if name.removesuffix(RECOVERY) in CONTROLLERS]
    names = list(dict.fromkeys(config.strategies)) or [name for name in runnable if not name.endswith(RECOVERY)]
    if unknown := set(names) - set(runnable):
        problem = f"The model cannot run {', '.join(sorted(unknown))}, only {', '.join(runnable)}"
        raise InputError(f"{problem}. Train a controller with bioner controller.")
    say(f"Choose operating points of {', '.join(names)} on {len(texts)} texts.")
    chosen = choose_points(config, folder, names, texts)
    for name, choices in chosen.items():
        print(f"{name}:\n{points_table(choices, ())}" if choices else f"{name}: no setting saves anything")
    say(f"The operating points are in {folder / POINTS}.{advice(chosen)}")
    say(f"Next: bioner report --model {shlex.quote(str(folder))} --corpus CORPUS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
