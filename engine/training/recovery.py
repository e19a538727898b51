"""Chooses recovery settings on held-out documents: ``python -m engine.training.recovery``.

For each operating point of a strategy, every trigger gets the threshold, and all get the limit, with which the F1 is
best while the trigger fires on 2 to 40 % of the documents; of those within 0.1 points of it the cheapest. The best
trigger by the same measure is stored. Settings that cost more multiply-adds than dense are not considered. Run it after
``engine.training.calibrate``; all settings tried go to ``recovery.csv`` in the model folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from engine.checkpoint import POINTS, write_checksums
from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.inspection.cost import add
from engine.pruning.recovery import Recovery
from engine.pruning.resolve import RECOVERY, with_recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from engine.text.scoring import Counts, count_documents

FIRES = (0.02, 0.4)
SLACK = 0.001  # of F1: less is chance
LIMITS = (32, 64, 128)
THRESHOLDS = {
    "confidence": ("min_confidence", (0.4, 0.45, 0.5, 0.55, 0.6)),
    "entropy_spike": ("max_rise", (0.05, 0.1, 0.15, 0.2, 0.3)),
    "entity_loss": (None, (0.0,)),
}
FIELDS = ("strategy", "point", "trigger", "threshold", "limit", "fires", "f1", "theoretical_speedup")


@dataclass(frozen=True)
class Tried:
    """A recovery at a point: share of documents in which it fired, exact-span F1, dense ÷ own multiply-adds."""

    recovery: Recovery
    fires: float
    f1: float
    theoretical_speedup: float


def settings() -> Iterator[Recovery]:
    """What to try: each trigger with its thresholds, each with the limits."""
    for trigger, (knob, thresholds) in THRESHOLDS.items():
        for threshold in thresholds:
            for limit in LIMITS:
                chosen = {knob: threshold} if knob else {}
                yield Recovery(trigger, recovery_limit=limit, **chosen)


def measure(engine: Engine, corpus: Corpus, strategy: Strategy) -> Tried:
    """F1, firing and cost of a strategy with recovery."""
    assert strategy.recovery is not None
    results = engine.tag_batch([document.text for document in corpus.documents], strategy)
    fired = sum(any(word.state == "recovered" for word in result.trace.words) for result in results)
    counts = count_documents(corpus.documents, [result.entities for result in results], corpus.types)
    cost = add([result.cost for result in results], engine.encoder.num_layers)
    return Tried(strategy.recovery, fired / len(results), sum(counts, Counts()).f1, cost.theoretical_speedup)


def choose(tried: list[Tried]) -> Recovery:
    """The stored setting: thresholds of each trigger at its best, trigger and limit of the best of all."""

    def best(candidates: list[Tried]) -> Tried:
        worth = [one for one in candidates if one.theoretical_speedup > 1] or candidates
        inside = [one for one in worth if FIRES[0] <= one.fires <= FIRES[1]] or worth
        best_f1 = max(one.f1 for one in inside)
        return max((one for one in inside if one.f1 >= best_f1 - SLACK), key=lambda one: one.theoretical_speedup)

    stored = best(tried).recovery
    for trigger, (knob, _) in THRESHOLDS.items():
        if knob and trigger != stored.trigger:
            own = best([one for one in tried if one.recovery.trigger == trigger]).recovery
            stored = replace(stored, **{knob: getattr(own, knob)})
    return stored


def calibrate(engine: Engine, corpus: Corpus, name: str, folder: Path) -> dict[str, Recovery]:
    """Searches recovery for each stored point of a strategy and stores it as ``NAME+recovery``."""
    every = list(settings())
    chosen: dict[str, Recovery] = {}
    rows = []
    for point in engine.points.get(name, {}):
        base = engine.strategy(name, point)
        tried = [
            measure(engine, corpus, replace(with_recovery(base), recovery=recovery))
            for recovery in tqdm(every, desc=f"{name} {point}", disable=None)
        ]
        chosen[point] = choose(tried)
        for one in tried:
            knob = THRESHOLDS[one.recovery.trigger][0]
            threshold = getattr(one.recovery, knob) if knob else ""
            measured = (f"{one.fires:.4f}", f"{one.f1:.5f}", f"{one.theoretical_speedup:.5f}")
            rows.append((name, point, one.recovery.trigger, threshold, one.recovery.recovery_limit, *measured))
    if not chosen:
        raise InputError(f"expected operating points of {name}, got none; make them with engine.training.calibrate")
    with (folder / "recovery.csv").open("w", newline="") as file:
        csv.writer(file).writerows([FIELDS, *rows])
    stored = {
        point: replace(with_recovery(engine.strategy(name, point)), recovery=recovery).to_json()
        for point, recovery in chosen.items()
    }
    (folder / POINTS).write_text(json.dumps(engine.points | {name + RECOVERY: stored}, indent=2) + "\n")
    write_checksums(folder)
    return chosen


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.recovery", description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="model folder with operating points")
    parser.add_argument("--strategy", default="entropy", help="whose points get recovery (default entropy)")
    parser.add_argument("--corpus", default="bc5cdr")
    parser.add_argument("--split", default="calib", help="a split that the model was not fitted to (default calib)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        corpus = load_corpus(arguments.corpus, arguments.split, arguments.data_dir)
        chosen = calibrate(load_engine(arguments.model), corpus, arguments.strategy, arguments.model)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for point, recovery in chosen.items():
        print(f"{arguments.strategy}{RECOVERY} {point}: {recovery}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
