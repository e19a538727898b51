"""Chooses operating points on held-out documents: ``python -m engine.training.calibrate``.

For each strategy the settings that its controller proposes run on the split, then variations of the best ones, one knob
at a time. An operating point is the setting with the fewest multiply-adds among those whose loss of F1 against dense
plus its standard error stays within a limit: the best of many settings owes part of its F1 to chance (the
one-standard-error rule of Breiman et al. 1984). Among settings within 3 % of it, the one that loses least is taken. All
settings tried go to ``frontier.csv`` in the model folder, the chosen ones to ``operating_points.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from engine.checkpoint import POINTS, write_checksums
from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.inspection.cost import add
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from engine.text.scoring import Counts, count_documents, f1_difference_error

POINT_NAMES = ("exact", "balanced", "fast")
FRONTIER = "frontier.csv"
SLACK = 0.03  # multiply-adds tell no finer differences of speed


@dataclass(frozen=True)
class Tried:
    """A setting, its matches in each document, share of dense token-layers (0–1), and dense ÷ own multiply-adds."""

    strategy: Strategy
    counts: tuple[Counts, ...]
    token_layers_kept: float
    theoretical_speedup: float

    @property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return sum(self.counts, Counts()).f1

    def loss(self, dense: Tried) -> float:
        """Points of F1 lost against dense."""
        return (dense.f1 - self.f1) * 100

    def loss_error(self, dense: Tried) -> float:
        """The standard error of the loss, in points."""
        return f1_difference_error(self.counts, dense.counts) * 100


def candidates(name: str, layers: int) -> Iterator[Strategy]:
    """What is tried first: the gates and settings that the strategy's controller proposes."""
    for gates, controller in CONTROLLERS[name].candidates(layers):
        yield Strategy(name, gates, controller)


def variations(strategy: Strategy) -> Iterator[Strategy]:
    """Settings that differ from this one in one knob; a gate goes together with its threshold."""
    yield strategy.with_knobs(context="freeze" if strategy.context == "drop" else "drop")
    for knob in CONTROLLERS[strategy.kind].knobs():
        value = strategy.knobs()[knob.name]
        if knob.kind == "per gate":
            yield from _threshold_variations(strategy, knob.name, value if isinstance(value, tuple) else (value,))
        else:
            yield from (strategy.with_knobs(**{knob.name: other}) for other in knob.variations(value))


def _threshold_variations(strategy: Strategy, name: str, given: tuple[float, ...]) -> Iterator[Strategy]:
    """One gate left out, or the thresholds below 1 scaled: all of them, or one."""
    thresholds = given + given[-1:] * (len(strategy.gates) - len(given))
    every = range(len(thresholds))
    if len(every) > 1:
        for left_out in every:
            rest = [index for index in every if index != left_out]
            gates = tuple(strategy.gates[index] for index in rest)
            yield strategy.with_knobs(gates=gates, **{name: tuple(thresholds[index] for index in rest)})
    scalable = [index for index in every if thresholds[index] < 1]
    for changed in (scalable, *([index] for index in scalable)):
        for factor in (0.6, 0.8, 1.25, 1.6):
            scaled = (value * factor if index in changed else value for index, value in enumerate(thresholds))
            yield strategy.with_knobs(**{name: tuple(min(value, 1.0) for value in scaled)})


def measure(engine: Engine, corpus: Corpus, strategy: Strategy) -> Tried:
    """F1 and cost of one setting on the corpus."""
    results = engine.tag_batch([document.text for document in corpus.documents], strategy)
    counts = count_documents(corpus.documents, [result.entities for result in results], corpus.types)
    cost = add([result.cost for result in results], engine.encoder.num_layers)
    return Tried(strategy, tuple(counts), cost.token_layers_kept, cost.theoretical_speedup)


def choose(tried: Sequence[Tried], dense: Tried, max_drops: Sequence[float], slack: float = 0.0) -> dict[str, Tried]:
    """The fastest setting within each drop (in points of F1); a point that no setting reaches is left out.

    Args:
        tried: settings to choose from.
        dense: the reference.
        max_drops: for each point.
        slack: settings that are slower by this share at most count as equally fast; the one that loses least is taken.
    """
    chosen = {}
    for point, drop in zip(POINT_NAMES, max_drops, strict=True):
        within = [one for one in tried if one.loss(dense) + one.loss_error(dense) <= drop]
        if within:
            fastest = max(one.theoretical_speedup for one in within)
            best = min(
                (one for one in within if one.theoretical_speedup >= (1 - slack) * fastest),
                key=lambda one: (one.loss(dense) + one.loss_error(dense), -one.theoretical_speedup),
            )
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen


def search(engine: Engine, corpus: Corpus, name: str, dense: Tried, max_drops: Sequence[float]) -> list[Tried]:
    """Everything tried for one strategy: what its controller proposes, then variations of the best within each drop."""
    tried: dict[str, Tried] = {}

    def attempt(strategies: Iterable[Strategy], stage: str) -> None:
        fresh = {json.dumps(s.to_json()): s for s in (replace(s, point="") for s in strategies)}
        for key, strategy in tqdm(fresh.items(), desc=f"{name}, {stage}", disable=None):
            if key not in tried:
                tried[key] = measure(engine, corpus, strategy)

    attempt(candidates(name, engine.encoder.num_layers), "candidates")
    best = choose(list(tried.values()), dense, max_drops).values()
    attempt((varied for one in best for varied in variations(one.strategy)), "variations")
    return list(tried.values())


def calibrate(
    engine: Engine, corpus: Corpus, max_drops: Sequence[float], folder: Path, names: Iterable[str]
) -> dict[str, dict[str, Tried]]:
    """Searches settings and writes ``frontier.csv``, ``operating_points.json`` and the checksums to the model folder.

    What the folder holds for other strategies stays.
    """
    dense = measure(engine, corpus, Strategy("dense"))
    tried = {name: search(engine, corpus, name, dense, max_drops) for name in names}
    chosen = {name: choose(of, dense, max_drops, SLACK) for name, of in tried.items()}
    rows = [
        {
            "strategy": one.strategy.name,
            "settings": json.dumps(one.strategy.to_json()),
            "f1": f"{one.f1:.5f}",
            "f1_drop_points": f"{one.loss(dense):.5f}",
            "f1_drop_error": f"{one.loss_error(dense):.5f}",
            "token_layers_kept": f"{one.token_layers_kept:.5f}",
            "theoretical_speedup": f"{one.theoretical_speedup:.5f}",
        }
        for one in chain.from_iterable(tried.values())
    ]
    frontier = folder / FRONTIER
    if frontier.is_file():
        with frontier.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["strategy"] not in tried] + rows
    # Written at the end and together: the folder stays loadable if this is interrupted.
    with frontier.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    points = {name: {point: t.strategy.to_json() for point, t in of.items()} for name, of in chosen.items()}
    (folder / POINTS).write_text(json.dumps(engine.points | points, indent=2) + "\n")
    write_checksums(folder)
    return chosen


def runnable(engine: Engine) -> list[str]:
    """The strategies to calibrate: those whose controller has all that it needs."""
    return [name for name in engine.runnable if name in CONTROLLERS]


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.calibrate", description=__doc__)
    parser.add_argument("--model", required=True, help="model folder with gates; the points are written into it")
    parser.add_argument("--corpus", default="bc5cdr")
    parser.add_argument("--split", default="calib", help="a split that the model was not fitted to (default calib)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument(
        "--max-f1-drop", default="0.1,0.3,1.0", help="points of F1 that exact, balanced and fast may lose"
    )
    parser.add_argument(
        "--strategies", help=f"comma-separated, out of {', '.join(CONTROLLERS)}; default: all that the model can run"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        try:
            max_drops = [float(part) for part in arguments.max_f1_drop.split(",")]
        except ValueError:
            max_drops = []
        if len(max_drops) != len(POINT_NAMES):
            raise InputError(
                f"expected {len(POINT_NAMES)} numbers after --max-f1-drop, got {arguments.max_f1_drop!r}; "
                "write e.g. 0.1,0.3,1.0"
            )
        corpus = load_corpus(arguments.corpus, arguments.split, arguments.data_dir)
        if not Path(arguments.model).is_dir():
            raise InputError(f"expected a model folder, got {arguments.model!r}; download the model first")
        engine = load_engine(arguments.model)
        engine.strategy("entropy")  # a model without gates is refused here
        names = arguments.strategies.split(",") if arguments.strategies else runnable(engine)
        if unknown := set(names) - set(runnable(engine)):
            raise InputError(
                f"expected --strategies out of {runnable(engine)}, got {sorted(unknown)}; leave them out, or train a "
                "controller with python -m engine.training.controller"
            )
        chosen = calibrate(engine, corpus, max_drops, Path(arguments.model), names)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for name, of in chosen.items():
        for point in POINT_NAMES:
            if point in of:
                one = of[point]
                speedup = f"theoretical speed-up {one.theoretical_speedup:.2f}×"
                print(f"{name} {point}: F1 {one.f1:.4f}, {speedup}, {one.strategy.to_json()}")
            else:
                print(f"{name} {point}: no setting loses so little")
    return 0


if __name__ == "__main__":
    sys.exit(main())
