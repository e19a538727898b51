"""Chooses operating points: ``python -m engine.training.calibrate``.

For each strategy, previously stored points and settings that its controller proposes run on texts that the model was
not fitted to, then variations of the best ones, one setting at a time (see ``engine.training.search``). Among those
whose loss plus standard error is within a limit, and whose theoretical speed-up is within 3 % of the highest of these,
the operating point is the one with the smallest such sum. Losses are points of F1 against dense: on a corpus by its
gold, with ``--texts`` by agreement with what the dense pass finds there. All settings that ran on all texts go to
``frontier.csv`` in the model folder, the chosen ones to ``operating_points.json``.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.checkpoint import model_folder
from engine.command import as_command
from engine.data.corpora import load_corpus
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.model.precision import DTYPES
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Context, Strategy
from engine.tagger import Engine, load_engine
from engine.training.points import Reference, Tried, store_frontier, store_points, stored_points
from engine.training.search import Search
from engine.training.state import SEEDS, check_limits

GOLD_DROPS = (0.1, 0.3, 1.0)  # points of F1 against gold
AGREEMENT_DROPS = (0.2, 0.5, 1.5)  # points of agreement


def candidates(name: str, layers: int) -> Iterator[Strategy]:
    """What is tried first: the gates and settings that the strategy's controller proposes."""
    contexts: tuple[Context, ...] = ("drop", "freeze")
    for gates, controller in CONTROLLERS[name].candidates(layers):
        yield from (Strategy(name, gates, controller, context=context) for context in contexts)


def variations(strategy: Strategy) -> Iterator[Strategy]:
    """Settings that differ from this one in one setting; a gate goes together with its threshold."""
    yield strategy.with_settings(context="freeze" if strategy.context == "drop" else "drop")
    for setting in CONTROLLERS[strategy.kind].settings():
        value = strategy.settings()[setting.name]
        if setting.kind == "per gate":
            yield from _threshold_variations(strategy, setting.name, _per_gate(strategy, value))
        else:
            yield from (strategy.with_settings(**{setting.name: other}) for other in setting.variations(value))


def looser(strategy: Strategy) -> Iterator[Strategy]:
    """The strategy with all its thresholds per gate scaled up, or a single one raised by one and by two steps."""
    for setting in CONTROLLERS[strategy.kind].settings():
        value = strategy.settings()[setting.name]
        if setting.kind == "per gate":
            thresholds = _per_gate(strategy, value)
            yield from (_scaled(strategy, setting.name, thresholds, range(len(thresholds)), by) for by in (1.6, 2.5))
        elif setting.step:
            raised = (min(value + steps * setting.step, setting.high) for steps in (1, 2))
            yield from (strategy.with_settings(**{setting.name: other}) for other in raised)


def _per_gate(strategy: Strategy, value: float | tuple[float, ...]) -> tuple[float, ...]:
    given = value if isinstance(value, tuple) else (value,)
    return given + given[-1:] * (len(strategy.gates) - len(given))


def _scaled(
    strategy: Strategy, name: str, thresholds: Sequence[float], changed: Sequence[int], factor: float
) -> Strategy:
    """Multiplies some thresholds by a factor; 1, where all words leave, stays."""
    scaled = (value * factor if index in changed and value < 1 else value for index, value in enumerate(thresholds))
    return strategy.with_settings(**{name: tuple(min(value, 1.0) for value in scaled)})


def _threshold_variations(strategy: Strategy, name: str, thresholds: tuple[float, ...]) -> Iterator[Strategy]:
    """One gate removed, added, or moved by a layer; or thresholds below 1 scaled, all or one.

    A gate is added halfway between two, with the earlier one's threshold, or before the first, with the first's.
    """
    every = range(len(thresholds))
    if len(every) > 1:
        for left_out in every:
            rest = [index for index in every if index != left_out]
            gates = tuple(strategy.gates[index] for index in rest)
            yield strategy.with_settings(gates=gates, **{name: tuple(thresholds[index] for index in rest)})
    for index, gate in enumerate(strategy.gates):
        before, after = strategy.gates[index - 1] if index else 0, strategy.gates[index + 1 : index + 2]
        if gate - before > 1:
            gates = (*strategy.gates[:index], (before + gate) // 2, *strategy.gates[index:])
            added = (*thresholds[:index], thresholds[max(0, index - 1)], *thresholds[index:])
            yield strategy.with_settings(gates=gates, **{name: added})
        for moved in (gate - 1, gate + 1):
            if before < moved and (moved < gate or (after and moved < after[0])):  # the last gate never moves up
                gates = (*strategy.gates[:index], moved, *strategy.gates[index + 1 :])
                yield strategy.with_settings(gates=gates, **{name: thresholds})
    scalable = [index for index in every if thresholds[index] < 1]
    for changed in (scalable, *([index] for index in scalable)):
        yield from (_scaled(strategy, name, thresholds, changed, factor) for factor in (0.6, 0.8, 1.25, 1.6))


def calibrate(
    engine: Engine, reference: Reference, max_drops: Sequence[float], folder: Path, names: Iterable[str], seed: int = 0
) -> dict[str, Search]:
    """Searches settings and writes ``frontier.csv``, ``operating_points.json`` and their checksums to the model folder.

    What the folder holds for other strategies stays.
    """
    searches = {}
    for name in names:
        searches[name] = Search(engine, reference, max_drops, seed=seed)
        stored = stored_points(engine, name)
        searches[name].run(candidates(name, engine.encoder.num_layers), variations, name, stored)
    save(engine, folder, searches)
    return searches


def save(engine: Engine, folder: Path, searches: Mapping[str, Search]) -> None:
    """Writes the points found, and all settings that ran on all documents, to the model folder."""
    store_frontier(folder, {name: (search.reference, search.measured()) for name, search in searches.items()})
    found = {name: search.chosen() for name, search in searches.items()}
    store_points(
        folder, {name: {point: one.strategy.to_json() for point, one in of.items()} for name, of in found.items()}
    )


def runnable(engine: Engine) -> list[str]:
    """The strategies to calibrate: those whose controller has all that it needs."""
    return [name for name in engine.runnable if name in CONTROLLERS]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds options for how settings run and what they are counted against: gold, or the dense pass on texts."""
    parser.add_argument("--corpus", default="bc5cdr", help="with gold (default bc5cdr)")
    parser.add_argument("--split", default="calib", help="a split that the model was not fitted to (default calib)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument(
        "--texts",
        nargs="+",
        metavar="FILE",
        help="texts without gold instead of a corpus: points by agreement with the dense pass",
    )
    parser.add_argument(
        "--max-f1-drop",
        help="points of F1 that careful, balanced and fast may lose; default 0.1,0.3,1.0, with --texts 0.2,0.5,1.5",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order of documents in the search")
    parser.add_argument(
        "--dtype", default="float32", choices=DTYPES, help="that settings run in (default float32); int8 is the fastest"
    )


def reference_of(arguments: argparse.Namespace, engine: Engine) -> tuple[Reference, list[float]]:
    """The reference that `add_options` asks for, and what each point may lose against it.

    Raises:
        InputError: no such corpus or texts, not a number for each point, or a seed out of its limits.
    """
    check_limits("seed", arguments.seed, SEEDS)
    default = list(AGREEMENT_DROPS if arguments.texts else GOLD_DROPS)
    max_drops = numbers(arguments.max_f1_drop, "--max-f1-drop", "0.1,0.3,1.0") if arguments.max_f1_drop else default
    check_ascending(max_drops)
    if arguments.texts:
        return Reference.agreement(engine, read_texts(arguments.texts)), max_drops
    return Reference.gold(engine, load_corpus(arguments.corpus, arguments.split, arguments.data_dir)), max_drops


def numbers(text: str, option: str, example: str) -> list[float]:
    """A number for each point, as typed with commas.

    Raises:
        InputError: something else.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != len(OPERATING_POINTS) or not all(map(math.isfinite, found)):
        raise InputError(f"expected {len(OPERATING_POINTS)} numbers after {option}, got {text!r}; write e.g. {example}")
    return found


def check_ascending(max_drops: Sequence[float]) -> None:
    """Raises `InputError` if a point may lose more than the next one."""
    if list(max_drops) != sorted(max_drops):
        raise InputError(f"expected ascending points to lose, got {list(max_drops)}; write the smallest first")


def describe(search: Search, name: str) -> Iterator[str]:
    """A line for each point of a strategy."""
    chosen, closest = search.chosen(), search.best()[0]
    for point in OPERATING_POINTS:
        if one := chosen.get(point):
            yield f"{name} {point}: {_figures(one, search.reference)}, {one.strategy.to_json()}"
        elif not search.measured():
            yield f"{name} {point}: no setting brings words back in enough documents"
        else:
            yield f"{name} {point}: no setting loses so little; the closest: {_figures(closest, search.reference)}"


def _figures(one: Tried, reference: Reference) -> str:
    loss = f"{one.loss(reference):.2f} ± {one.loss_error(reference):.2f} points lost"
    return f"F1 {one.f1:.4f}, {loss}, theoretical speed-up {one.theoretical_speedup:.2f}×"


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.calibrate", description=__doc__)
    parser.add_argument("--model", required=True, help="model folder with gates; the points are written into it")
    add_options(parser)
    parser.add_argument(
        "--strategies", help=f"comma-separated, out of {', '.join(CONTROLLERS)}; default: all that the model can run"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = model_folder(arguments.model)
    engine = load_engine(folder, arguments.dtype)
    engine.strategy("entropy")  # a model without gates is refused here
    names = arguments.strategies.split(",") if arguments.strategies else runnable(engine)
    if unknown := set(names) - set(runnable(engine)):
        raise InputError(
            f"expected --strategies out of {runnable(engine)}, got {sorted(unknown)}; leave them out, or train a "
            "controller with python -m engine.training.controller"
        )
    reference, max_drops = reference_of(arguments, engine)
    searches = calibrate(engine, reference, max_drops, folder, names, arguments.seed)
    for name, search in searches.items():
        print(*describe(search, name), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
