"""Operating points: which settings are chosen for them, how fast these are, and how a model folder stores them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.base import Engine
from engine.cli.progress import progress
from engine.cli.runs import write_json
from engine.latency import PASSES, Latency, time_variants
from engine.loading import load_engine
from engine.models.folder import read_folder, weights_digest
from engine.models.points_file import INT8, POINTS, WEIGHTS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.training.trials import Reference, Trial, int8_agreement

TOLERANCE = 0.03  # relative difference in MACs that says nothing about speed
BATCH_SIZES = (1, 32)  # texts a call when speed is measured


@dataclass(frozen=True)
class Choice:
    """The setting that was chosen for an operating point, or ``dense``."""

    name: str
    trial: Trial  # on the held-out texts; if the point is not reached, that of the setting that loses least
    limit: float | None = None  # pp that the operating point may lose; None for dense
    reached: bool = True  # whether a setting loses no more

    @property
    def stored(self) -> bool:
        """Whether it becomes an operating point; a setting that was chosen may turn out to be no faster than dense."""
        return self.limit is not None and self.reached and self.trial.eligible


def choose(trials: Iterable[Trial], limits: Mapping[str, float]) -> list[Choice]:
    """Returns the operating points, careful first: each is the fastest setting whose loss is within its limit.

    The loss is its one-sided 95 % bound. Of settings within `TOLERANCE` of the fewest MACs, the one that loses least is
    taken. A more careful point is slower by at least `TOLERANCE` and loses less. Empty if no setting is eligible.
    """
    eligible = left = [trial for trial in trials if trial.eligible]
    choices = list[Choice]()
    for point, limit in reversed([*limits.items()] if eligible else []):
        accepted = [trial for trial in left if trial.loss_bound <= limit]
        if not accepted:
            choices.append(Choice(point, min(eligible, key=lambda trial: trial.loss_bound), limit, reached=False))
            continue
        fewest = min(trial.cost.macs for trial in accepted)
        nearly = [trial for trial in accepted if (1 - TOLERANCE) * trial.cost.macs <= fewest]
        best = min(nearly, key=lambda trial: (trial.loss_bound, trial.cost.macs))
        choices.append(Choice(point, replace(best, strategy=replace(best.strategy, point=point)), limit))
        slower = (trial for trial in left if (1 - TOLERANCE) * trial.cost.macs >= best.cost.macs)
        left = [trial for trial in slower if trial.loss_bound < best.loss_bound]
    return choices[::-1]


def speedups(
    engine: Engine, strategies: Mapping[str, Strategy], texts: Sequence[str], calls: int
) -> dict[str, dict[int, float]]:
    """End-to-end speed-ups against the first strategy, by batch size, where the texts make enough ``calls``."""
    times = {size: _times(engine, strategies, texts, size) for size in BATCH_SIZES if len(texts) >= calls * size}
    first = next(iter(strategies))
    return {name: {size: ms[first] / ms[name] for size, ms in times.items()} for name in strategies}


def _times(engine: Engine, strategies: Mapping[str, Strategy], texts: Sequence[str], size: int) -> dict[str, float]:
    """Milliseconds of each strategy for all texts, ``size`` a call."""
    batches = [texts[begin : begin + size] for begin in range(0, len(texts), size)]

    def call(name: str, batch: int) -> Latency:
        return engine.tag_batch(batches[batch], strategies[name], batch_size=size)[0].latency

    calls = (PASSES + 1) * len(strategies) * len(batches)
    with progress(what=f"Time {len(strategies)} strategies on {len(texts)} texts, {size} a call", total=calls) as bar:
        times = time_variants(list(strategies), len(batches), call, bar.update)
    return {name: float(of_batches.sum()) for name, of_batches in times.items()}


def with_speedups(engine: Engine, choices: Sequence[Choice], texts: Sequence[str], calls: int) -> list[Choice]:
    """Times every choice that was reached against the first; see `speedups`."""
    measured = speedups(engine, {each.name: each.trial.strategy for each in choices if each.reached}, texts, calls)
    return [replace(each, trial=replace(each.trial, speedups=measured.get(each.name, {}))) for each in choices]


def store(folder: Path, entries: Mapping[str, Any]) -> None:
    """Adds entries to ``operating_points.json``, with the digest of what they belong to, and drops empty ones.

    An entry holds the operating points of a strategy, or the agreement of dtype ``int8``.
    """
    path = folder / POINTS
    stored = json.loads(path.read_text()) if path.is_file() else {}
    stored |= {**entries, WEIGHTS: read_folder(folder).points_digest(weights_digest(folder))}
    write_json(path, {name: entry for name, entry in stored.items() if entry})


def store_agreement(folder: Path, texts: Sequence[str]) -> dict[str, Reference]:
    """Returns what a model's dense pass finds in float32 and in 8 bits; stores in its folder whether these agree."""
    references = {dtype: Reference.of(load_engine(folder, dtype), texts) for dtype in ("float32", "int8")}
    if agreement := int8_agreement(**references):
        store(folder, {INT8: agreement})
    return references


def points_of(choices: Iterable[Choice]) -> dict[str, Any]:
    """Maps operating points to their settings, as they are stored."""
    return {choice.name: choice.trial.strategy.to_json() for choice in choices if choice.stored}


def fastest(choices: Sequence[Choice]) -> str:
    """The title of the fastest strategy that is stored, or ``dense``."""
    return next((choice.trial.strategy.title for choice in reversed(choices) if choice.stored), DENSE)
