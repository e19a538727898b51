"""Chooses recovery settings: ``python -m engine.training.recovery``.

Trigger, limit and threshold are searched together with the gates' thresholds, which may be looser if words come back.
Each operating point is chosen as in ``engine.training.calibrate``, among settings that fire in at least 2 % of the
documents. Run it after ``engine.training.calibrate``, on the same documents; all settings that ran on all of them go
to ``recovery.csv`` in the model folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.checkpoint import model_folder
from engine.checksums import updating
from engine.command import as_command
from engine.errors import InputError
from engine.pruning.recovery import Recovery
from engine.pruning.resolve import OPERATING_POINTS, RECOVERY, with_recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from engine.training.calibrate import add_options, describe, looser, reference_of, variations
from engine.training.points import Reference, Tried, measure, store_points, stored_points
from engine.training.search import Search

RECOVERIES = "recovery.csv"
FIRES = 0.02  # of the documents: firing less often is not recovery
LIMITS = (32, 128)
THRESHOLDS = {
    "confidence": ("min_confidence", (0.4, 0.45, 0.5, 0.55, 0.6)),
    "entropy_spike": ("max_rise", (0.05, 0.1, 0.15, 0.2, 0.3)),
    "entity_loss": (None, (0.0,)),
}
NO_THRESHOLD: tuple[None, tuple[float, ...]] = None, ()  # for ``any``, which a stored point may have
FIELDS = (
    "strategy",
    "settings",
    "trigger",
    "threshold",
    "limit",
    "fires",
    "f1",
    "f1_drop_points",
    "theoretical_speedup",
)


def settings() -> Iterator[Recovery]:
    """Settings to try: each trigger with each of its thresholds and limits."""
    for trigger, (setting, thresholds) in THRESHOLDS.items():
        for threshold in thresholds:
            for limit in LIMITS:
                chosen = {setting: threshold} if setting else {}
                yield Recovery(trigger, recovery_limit=limit, **chosen)


def candidates(bases: Iterable[Strategy]) -> Iterator[Strategy]:
    """Every recovery at the operating points, and at looser thresholds of their gates."""
    for base in bases:
        for strategy in (base, *looser(base)):
            yield from (replace(with_recovery(strategy), recovery=recovery) for recovery in settings())


def vary(strategy: Strategy) -> Iterator[Strategy]:
    """Other thresholds of the trigger, other limits, and the variations of the gates."""
    recovery = strategy.recovery
    assert recovery is not None
    setting, thresholds = THRESHOLDS.get(recovery.trigger, NO_THRESHOLD)
    for limit in (16, 32, 64, 128):
        if limit != recovery.recovery_limit:
            yield strategy.with_settings(recovery_limit=limit)
    if setting:
        yield from (
            strategy.with_settings(**{setting: value}) for value in thresholds if value != getattr(recovery, setting)
        )
    yield from variations(strategy)


def fires(tried: Tried) -> bool:
    """Whether words come back in enough documents."""
    return tried.fired >= FIRES * len(tried.counts)


def with_own_thresholds(chosen: Strategy, tried: Sequence[Tried], reference: Reference) -> Strategy:
    """The strategy, with the thresholds of its unused triggers set to those that lose least with that trigger."""
    recovery = chosen.recovery
    assert recovery is not None
    if recovery.trigger not in THRESHOLDS:  # ``any``: all of them fire
        return chosen
    for trigger, (setting, _) in THRESHOLDS.items():
        of_trigger = [one for one in tried if one.strategy.recovery and one.strategy.recovery.trigger == trigger]
        if setting and trigger != recovery.trigger and of_trigger:
            best = min(of_trigger, key=lambda one: one.loss_bound(reference)).strategy.recovery
            recovery = replace(recovery, **{setting: getattr(best, setting)})
    return replace(chosen, recovery=recovery)


def calibrate(
    engine: Engine, reference: Reference, max_drops: Sequence[float], name: str, folder: Path, seed: int = 0
) -> Search:
    """Searches recovery for the stored points of a strategy and stores it as ``NAME+recovery``.

    Raises:
        InputError: the strategy has no points.
    """
    bases = [engine.strategy(name, point) for point in engine.points.get(name, {})]
    if not bases:
        raise InputError(f"expected operating points of {name}, got none; make them with engine.training.calibrate")
    search = Search(engine, reference, max_drops, seed=seed, eligible=fires)
    search.run(candidates(bases), vary, name + RECOVERY, stored_points(engine, name + RECOVERY))
    measured = search.measured()
    stored = {
        point: with_own_thresholds(one.strategy, measured, search.reference).to_json()
        for point, one in search.chosen().items()
    }
    with updating(folder, RECOVERIES) as fresh, fresh.open("w", newline="") as file:
        csv.writer(file).writerows([FIELDS, *(_row(one, search.reference) for one in measured)])
    store_points(folder, {name + RECOVERY: stored})
    return search


def _row(tried: Tried, reference: Reference) -> tuple[object, ...]:
    recovery = tried.strategy.recovery
    assert recovery is not None
    setting, _ = THRESHOLDS.get(recovery.trigger, NO_THRESHOLD)
    share = tried.fired / len(tried.counts)
    figures = (f"{share:.4f}", f"{tried.f1:.5f}", f"{tried.loss(reference):.5f}", f"{tried.theoretical_speedup:.5f}")
    return (
        tried.strategy.name,
        json.dumps(tried.strategy.to_json()),
        recovery.trigger,
        getattr(recovery, setting) if setting else "",
        recovery.recovery_limit,
        *figures,
    )


def compare(search: Search, engine: Engine, name: str) -> Iterator[str]:
    """For each point, by how much the strategy is faster with recovery than without at the same limit."""
    chosen = search.chosen()
    for point in OPERATING_POINTS:
        if point in chosen and point in engine.points[name]:
            one = chosen[point]
            base = measure(engine, search.reference, engine.strategy(name, point)).theoretical_speedup
            gain = 100 * (one.theoretical_speedup / base - 1)
            yield (
                f"{name}{RECOVERY} {point}: {one.theoretical_speedup:.2f}× against {base:.2f}× without recovery "
                f"({gain:+.1f} %), fires in {100 * one.fired / len(one.counts):.1f} % of the documents"
            )


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.recovery", description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="model folder with operating points")
    parser.add_argument("--strategy", default="entropy", help="whose points get recovery (default entropy)")
    add_options(parser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if arguments.strategy.endswith(RECOVERY):
        raise InputError(f"expected a strategy without recovery, got {arguments.strategy!r}; leave {RECOVERY} out")
    engine = load_engine(model_folder(arguments.model), arguments.dtype)
    reference, max_drops = reference_of(arguments, engine)
    search = calibrate(engine, reference, max_drops, arguments.strategy, arguments.model, arguments.seed)
    print(*describe(search, arguments.strategy + RECOVERY), *compare(search, engine, arguments.strategy), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
