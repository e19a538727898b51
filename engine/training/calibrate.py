"""Chooses operating points on held-out documents: ``python -m engine.training.calibrate``.

For each strategy a grid of settings runs on the split. A point is the setting with the fewest multiply-adds among those
that lose at most so many points of F1 against dense. All settings tried go to ``frontier.csv`` in the model folder, the
chosen ones to ``operating_points.json``.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from engine.controllers import EntropyController, RuleController
from engine.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.flops import add
from engine.scoring import Counts, count_documents
from engine.strategies import Strategy
from engine.tagger import Engine, load_engine
from engine.weights import POINTS, write_checksums

POINT_NAMES = ("exact", "balanced", "fast")
FRONTIER = "frontier.csv"


@dataclass(frozen=True)
class Tried:
    """A setting's exact-span F1 (0–1), share of dense token-layers, and dense ÷ own multiply-adds."""

    strategy: Strategy
    f1: float
    token_layers_kept: float
    promised_speedup: float


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
    for gates, threshold, steep in itertools.product(sets, (0.03, 0.06, 0.1, 0.15, 0.25), (1.0, 2.0)):
        values = tuple(threshold / steep**before for before in reversed(range(len(gates))))
        yield Strategy("entropy", gates, EntropyController(values, 1, exit_entities=True))
        for end in range(max(gates[-1] + 1, layers - 2), layers):
            yield Strategy("entropy", (*gates, end), EntropyController((*values, 1.0), 1, exit_entities=True))
        if steep == 1 and len(gates) == 3:
            yield Strategy("entropy", gates, EntropyController(values, 1, exit_entities=False))


def rule_grid(layers: int) -> Iterator[Strategy]:
    """Settings of ``rule``. Attention statistics cost at every gate, so these are few."""
    weights = ((1.0, 0.0, 0.0), (1.0, 0.25, 0.0), (1.0, 0.0, -0.25))
    sets = [gates for count in (1, 2) for gates in gate_sets(layers, count)[-1:]]
    for gates, parts, threshold in itertools.product(sets, weights, (-0.5, 0.5, 1.0, 1.5, 2.0)):
        yield Strategy("rule", gates, RuleController(threshold, *parts))


GRIDS = {"entropy": entropy_grid, "rule": rule_grid}


def measure(engine: Engine, corpus: Corpus, strategy: Strategy) -> Tried:
    """F1 and cost of one setting on the corpus."""
    results = engine.tag_batch([document.text for document in corpus.documents], strategy)
    counts = count_documents(corpus.documents, [result.entities for result in results], corpus.types)
    cost = add([result.cost for result in results], engine.encoder.num_layers)
    return Tried(strategy, sum(counts, Counts()).f1, cost.token_layers_kept, cost.promised_speedup)


def choose(tried: Sequence[Tried], dense_f1: float, max_drops: Sequence[float]) -> dict[str, Tried]:
    """The quickest setting within each drop (in points of F1); a point that no setting reaches is left out."""
    chosen = {}
    for point, drop in zip(POINT_NAMES, max_drops, strict=True):
        within = [one for one in tried if round((dense_f1 - one.f1) * 100, 6) <= drop]
        if within:
            best = max(within, key=lambda one: one.promised_speedup)
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen


def calibrate(engine: Engine, corpus: Corpus, max_drops: Sequence[float], folder: Path) -> dict[str, dict[str, Tried]]:
    """Tries all grids and writes ``frontier.csv``, ``operating_points.json`` and the checksums to the model folder."""
    dense = measure(engine, corpus, Strategy("dense"))
    settings = {name: list(grid(engine.encoder.num_layers)) for name, grid in GRIDS.items()}
    tried: dict[str, list[Tried]] = {name: [] for name in settings}
    with tqdm(total=sum(map(len, settings.values())), desc="settings", disable=None) as bar:
        for name, strategies in settings.items():
            for strategy in strategies:
                tried[name].append(measure(engine, corpus, strategy))
                bar.update()
    chosen = {name: choose(of, dense.f1, max_drops) for name, of in tried.items()}
    # Written at the end and together: the folder stays loadable if this is interrupted.
    with (folder / FRONTIER).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["strategy", "settings", "f1", "f1_drop_points", "token_layers_kept", "promised_speedup"])
        for one in itertools.chain.from_iterable(tried.values()):
            values = (one.f1, (dense.f1 - one.f1) * 100, one.token_layers_kept, one.promised_speedup)
            settings_json = json.dumps(one.strategy.to_json())
            writer.writerow([one.strategy.name, settings_json, *(f"{value:.5f}" for value in values)])
    points = {name: {point: t.strategy.to_json() for point, t in of.items()} for name, of in chosen.items()}
    (folder / POINTS).write_text(json.dumps(points, indent=2) + "\n")
    write_checksums(folder)
    return chosen


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
        chosen = calibrate(engine, corpus, max_drops, Path(arguments.model))
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
