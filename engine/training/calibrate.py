"""Chooses operating points on held-out documents: ``python -m engine.training.calibrate``.

For each strategy a grid of settings runs on the split, then variations of the best ones, one knob at a time. A point is
the setting with the fewest multiply-adds among those whose loss of F1 against dense and its standard error together are
at most so many points: the best of many settings owes part of its F1 to chance (the one-standard-error rule of Breiman
et al. 1984). Among settings within 3 % of it the one that loses least is taken. All settings tried go to
``frontier.csv`` in the model folder, the chosen ones to ``operating_points.json``.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from engine.checkpoint import POINTS, write_checksums
from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.inspection.cost import add
from engine.pruning.controllers import EntropyController, RuleController, as_tuple
from engine.pruning.learned import LearnedController
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
    promised_speedup: float

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


def gate_sets(layers: int, count: int) -> list[tuple[int, ...]]:
    """Placements to try: so many gates one after the other, beginning in the first third of the encoder."""
    firsts = range(max(1, layers // 6), max(1, layers // 3) + 1)
    return [tuple(range(first, first + count)) for first in firsts if first + count <= layers]


def entropy_grid(layers: int) -> Iterator[Strategy]:
    """Settings of ``entropy``.

    The same threshold everywhere or stricter at earlier gates; entities staying, leaving, or leaving together with all
    other words at one of the last two gates, which changes few labels.
    """
    sets = [*gate_sets(layers, min(3, layers - 1)), *gate_sets(layers, min(2, layers - 1))[-1:]]
    for gates, threshold, steep in itertools.product(sets, (0.01, 0.02, 0.04, 0.08, 0.15, 0.25), (1.0, 3.0)):
        values = tuple(threshold / steep**before for before in reversed(range(len(gates))))
        yield Strategy("entropy", gates, EntropyController(values, 1, exit_entities=True))
        for end in range(max(gates[-1] + 1, layers - 2), layers):
            yield Strategy("entropy", (*gates, end), EntropyController((*values, 1.0), 1, exit_entities=True))
        if steep == 1 and len(gates) == 3:
            yield Strategy("entropy", gates, EntropyController(values, 1, exit_entities=False))


def mlp_grid(layers: int) -> Iterator[Strategy]:
    """Settings of ``mlp``, laid out like those of ``entropy``."""
    for gates, risk in itertools.product(gate_sets(layers, min(3, layers - 1)), (0.01, 0.02, 0.04, 0.08, 0.15, 0.25)):
        yield Strategy("mlp", gates, LearnedController(risk, exit_entities=True))
        for end in range(max(gates[-1] + 1, layers - 2), layers):
            thresholds = (risk,) * len(gates)
            yield Strategy("mlp", (*gates, end), LearnedController((*thresholds, 1.0), exit_entities=True))


def rule_grid(layers: int) -> Iterator[Strategy]:
    """Settings of ``rule``. Attention statistics cost at every gate, so these are few."""
    weights = ((1.0, 0.0, 0.0), (1.0, 0.25, 0.0), (1.0, 0.0, -0.25))
    sets = [gates for count in (1, 2) for gates in gate_sets(layers, count)[-1:]]
    for gates, parts, threshold in itertools.product(sets, weights, (-0.5, 0.5, 1.0, 1.5, 2.0)):
        yield Strategy("rule", gates, RuleController(threshold, *parts))


GRIDS = {"entropy": entropy_grid, "mlp": mlp_grid, "rule": rule_grid}


def variations(strategy: Strategy) -> Iterator[Strategy]:
    """Settings that differ from this one in one knob; a gate goes together with its threshold."""
    knobs = strategy.knobs()
    yield strategy.with_knobs(context="freeze" if strategy.context == "drop" else "drop")
    if "neighbours" in knobs:
        for neighbours in {0, 1, 2} - {knobs["neighbours"]}:
            yield strategy.with_knobs(neighbours=neighbours)
    if "lambda_" in knobs:
        low, high = RuleController.LAMBDA_RANGE
        for step in (-0.25, 0.25):
            yield strategy.with_knobs(lambda_=min(max(knobs["lambda_"] + step, low), high))
        yield strategy.with_knobs(min_keep_ratio=0.0)
        return
    yield strategy.with_knobs(exit_entities=not knobs["exit_entities"])
    name = "max_entropy" if "max_entropy" in knobs else "max_risk"
    thresholds = as_tuple(knobs[name])
    thresholds += thresholds[-1:] * (len(strategy.gates) - len(thresholds))
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
    return Tried(strategy, tuple(counts), cost.token_layers_kept, cost.promised_speedup)


def choose(tried: Sequence[Tried], dense: Tried, max_drops: Sequence[float], slack: float = 0.0) -> dict[str, Tried]:
    """The quickest setting within each drop (in points of F1); a point that no setting reaches is left out.

    Args:
        tried: settings to choose from.
        dense: the reference.
        max_drops: for each point.
        slack: settings that are slower by this share at most count as equally quick; the one that loses least is taken.
    """
    chosen = {}
    for point, drop in zip(POINT_NAMES, max_drops, strict=True):
        within = [one for one in tried if one.loss(dense) + one.loss_error(dense) <= drop]
        if within:
            quickest = max(one.promised_speedup for one in within)
            best = min(
                (one for one in within if one.promised_speedup >= (1 - slack) * quickest),
                key=lambda one: (one.loss(dense) + one.loss_error(dense), -one.promised_speedup),
            )
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen


def search(engine: Engine, corpus: Corpus, name: str, dense: Tried, max_drops: Sequence[float]) -> list[Tried]:
    """Everything tried for one strategy: its grid, then the variations of what is best within each drop."""
    tried: dict[str, Tried] = {}

    def attempt(strategies: Iterable[Strategy], stage: str) -> None:
        fresh = {json.dumps(s.to_json()): s for s in (replace(s, point="") for s in strategies)}
        for key, strategy in tqdm(fresh.items(), desc=f"{name}, {stage}", disable=None):
            if key not in tried:
                tried[key] = measure(engine, corpus, strategy)

    attempt(GRIDS[name](engine.encoder.num_layers), "grid")
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
            "promised_speedup": f"{one.promised_speedup:.5f}",
        }
        for one in itertools.chain.from_iterable(tried.values())
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
    """The strategies to calibrate that the model has everything for."""
    return [name for name in GRIDS if name != "mlp" or engine.network is not None]


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
        "--strategies", help=f"comma-separated, out of {', '.join(GRIDS)}; default: all that the model can run"
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
                print(
                    f"{name} {point}: F1 {one.f1:.4f}, promised {one.promised_speedup:.2f}×, {one.strategy.to_json()}"
                )
            else:
                print(f"{name} {point}: no setting loses so little")
    return 0


if __name__ == "__main__":
    sys.exit(main())
