"""The sweep for operating points: which settings are tried, on which texts, and which are chosen.

A grid of settings runs on a sample of some 60 texts. Of those that nothing beats there, the best dozen run on all
texts. Everything runs through `Engine.tag_batch`, in whatever dtype the engine has.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from tqdm import tqdm

from engine.pruning.controllers import CONTROLLERS, EntropyController, LearnedController, RuleController
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, with_recovery
from engine.tagger import Engine
from engine.training.trials import OutOfTimeError, Reference, Requirement, Trial, able, choose, enough_texts, measure

SAMPLE_WORDS, SAMPLE_TEXTS = 14_000, 20  # minimum size of the sample: some 60 abstracts
SAMPLE_SHARE = 0.6  # of the time, by which settings on the sample end
FINALISTS = 4  # settings for each operating point that run on all texts

# Gates and last gates for 12 layers; those for other depths lie at the same share of the depth.
DEEP, DEEP_ENDS = ((1, 2, 3, 4), (1, 2, 3, 4, 6), (2, 4, 6), (4, 6, 8)), (8, 10)
SCALES = tuple(0.54 / 2**step for step in reversed(range(12)))  # geometric mean of a row's thresholds
NEIGHBOURS = {EntropyController.kind: (0, 2), RuleController.kind: (0, 1, 2)}
LAMBDAS = tuple(step / 4 for step in range(-4, 9))
LOOSER = (1.0, 1.6)  # thresholds under recovery, as multiples of those without
# Fewer windows become doubtful along the row of each trigger.
TRIGGERS: dict[str, tuple[str, tuple[float, ...]]] = {
    "confidence": ("min_confidence", (0.6, 0.5, 0.4)),
    "entropy_spike": ("max_rise", (0.05, 0.15, 0.3)),
    "entity_loss": ("recovery_limit", (128, 32)),
}

logger = logging.getLogger(__name__)


def layouts(layers: int) -> list[tuple[tuple[int, ...], bool]]:
    """The gates to try, and whether every word exits at the last of them.

    Up to eight layers: two or three gates in a row. Deeper encoders have room for more gates, and may end from the
    middle on.
    """
    if layers <= 8:
        runs = ((first, min(first + (3 if first == 1 else 2), layers)) for first in range(1, max(1, layers // 2) + 1))
        sets, ends = [tuple(range(*run)) for run in runs], [layers - 2, layers - 1]
    else:
        sets = [tuple(sorted({max(1, round(gate * layers / 12)) for gate in gates})) for gates in DEEP]
        ends = [round(end * layers / 12) for end in DEEP_ENDS]
    found = dict.fromkeys((gates, False) for gates in sets)
    for gates, end in product(sets, ends):
        if before := tuple(gate for gate in gates if gate < end):
            found[(*before, end), True] = None
    return list(found)


def grid(kind: str, layers: int) -> list[list[Strategy]]:
    """Rows of settings of a controller; along a row more words exit."""
    near = NEIGHBOURS.get(kind, ())
    if kind == EntropyController.kind:
        return [
            [Strategy(kind, gates, EntropyController(values, one, exit_entities=True)) for values in row]
            for (gates, row, _), one in product(_thresholds(layers), near)
        ]
    if kind == LearnedController.kind:  # entities may stay, as in published settings
        return [
            [Strategy(kind, gates, LearnedController(values, exit_entities=ends)) for values in row]
            for gates, row, ends in _thresholds(layers)
        ]
    if kind == RuleController.kind:
        sets = sorted({gates[:count] for gates, ends in layouts(layers) for count in (1, 2) if not ends})
        return [
            [Strategy(kind, gates, RuleController(value, neighbours=one)) for value in LAMBDAS]
            for gates, one in product(sets, near)
        ]
    base = Strategy(kind, CONTROLLERS[kind].default_gates(layers), CONTROLLERS[kind]())
    rows: list[list[Strategy]] = []  # only the ranges of a new controller's settings are known
    for one in CONTROLLERS[kind].settings():
        if one.kind in ("number", "whole", "per gate"):
            steps = [one.low + (one.high - one.low) * step / 5 for step in range(6)]
            rows.append([_changed(base, **{one.name: round(at) if one.kind == "whole" else at}) for at in steps])
    return rows


def _thresholds(layers: int) -> Iterator[tuple[tuple[int, ...], list[tuple[float, ...]], bool]]:
    """Yields gates, rows of growing thresholds, and whether the last gate, at 1, lets every word exit."""
    for gates, ends in layouts(layers):
        free = len(gates) - ends
        growths = (1.0,) if free == 1 else (1.0, 3.0) if free <= 3 else (1.3, 2.0)  # from gate to gate
        for growth in growths:
            factors = [growth ** (index - (free - 1) / 2) for index in range(free)]
            yield gates, [(*(min(1.0, scale * of) for of in factors), *(1.0,) * ends) for scale in SCALES], ends


def recovery_rows(strategy: Strategy) -> list[list[Strategy]]:
    """Rows for every trigger, at a setting and at looser thresholds, which recovery may make up for."""
    rows = []
    for factor, (trigger, (setting, values)) in product(LOOSER, TRIGGERS.items()):
        loose = with_recovery(_loosened(strategy, factor))
        rows.append([_changed(loose, **{"trigger": trigger, setting: value}) for value in values])
    return rows


def _changed(strategy: Strategy, **settings: Any) -> Strategy:
    """The strategy with some settings changed, and without an operating point."""
    return replace(strategy.with_settings(**settings), point="")


def _loosened(strategy: Strategy, factor: float) -> Strategy:
    """The strategy with its thresholds multiplied, except those that let every word exit."""
    for name in ("max_entropy", "max_risk"):
        if name in strategy.settings():
            given = strategy.settings()[name]
            values = given if isinstance(given, tuple) else (given,) * len(strategy.gates)
            return _changed(strategy, **{name: tuple(one if one >= 1 else min(1.0, factor * one) for one in values)})
    return strategy


@dataclass(frozen=True)
class Sweep:
    """The trials of one strategy.

    ``sampled``, ``whole``: those on the sample, and on all texts.
    ``texts``: number of all texts.
    ``out_of_time``: whether time was over before all settings had run.
    """

    requirements: Sequence[Requirement]
    sampled: Sequence[Trial]
    whole: Sequence[Trial]
    texts: int
    out_of_time: bool

    @property
    def trials(self) -> Sequence[Trial]:
        """The trials on all texts or, if time allowed none of these, on the sample."""
        return self.whole or self.sampled

    @property
    def chosen(self) -> dict[str, Trial]:
        """Maps each operating point to its setting; those that no setting reaches are left out."""
        return choose(self.trials, self.requirements)

    @property
    def closest(self) -> Trial | None:
        """The setting that loses least of those that could be an operating point."""
        return min(filter(able, self.trials), key=Trial.loss_bound, default=None)

    def describe(self) -> str:
        """How many settings ran on how many texts, as a clause."""
        sample = len(self.sampled[0].counts) if self.sampled else 0
        return f"{len(self.sampled)} settings ran on {sample} texts and {len(self.whole)} on all {self.texts}"


def sweep(
    engine: Engine,
    reference: Reference,
    requirements: Sequence[Requirement],
    name: str,
    stored: Mapping[str, Sequence[Strategy]] | None = None,
    *,
    seconds: float = math.inf,
    seed: int = 0,
) -> Sweep:
    """Finds the fastest settings of a strategy that meet each requirement.

    ``stored`` maps strategies to operating points chosen before: those of this one run on all texts in any case, and
    recovery is tried at those of the strategy without it. After some seconds the sweep ends, and what was measured by
    then counts. ``seed`` is that of the order of texts and rows.
    """
    start, stored, reference = time.monotonic(), stored or {}, reference.shuffled(seed)
    total = len(reference.texts)
    size = max(SAMPLE_TEXTS, enough_texts(reference.texts, SAMPLE_WORDS))
    size = size if 1.5 * size < total else total
    on_sample = partial(measure, engine, reference, documents=size, deadline=start + SAMPLE_SHARE * seconds)
    on_all = partial(measure, engine, reference, deadline=start + seconds)
    kind, layers = name.removesuffix(RECOVERY), engine.sizes.layers
    rows = grid(kind, layers)
    if name != kind:
        bases = stored.get(kind) or [Strategy(kind, CONTROLLERS[kind].default_gates(layers), CONTROLLERS[kind]())]
        rows = [row for base in bases for row in recovery_rows(base)]
    random.Random(seed).shuffle(rows)
    sampled: list[Trial] = []
    tried = (trial for row in rows for trial in _run_row(row, on_sample, requirements, total))
    out_of_time = _append(sampled, tried, f"{name}: settings")
    whole = sampled if size == total else []
    settings = dict.fromkeys((*map(_changed, stored.get(name, ())), *_finalists(sampled, requirements, total)))
    for one in whole:
        settings.pop(one.strategy, None)
    out_of_time |= _append(whole, map(on_all, settings), f"{name}: all texts")
    found = Sweep(requirements, sampled, whole, total, out_of_time)
    logger.info("%s: %s", name, found.describe())
    return found


def _append(trials: list[Trial], new: Iterator[Trial], what: str) -> bool:
    """Appends new trials, with a progress bar; returns whether time was over before the last of them."""
    try:
        for trial in tqdm(new, desc=what, disable=None):
            trials.append(trial)
    except OutOfTimeError:
        return True
    return False


def _run_row(
    row: Sequence[Strategy], run: Callable[[Strategy], Trial], requirements: Sequence[Requirement], texts: int
) -> Iterator[Trial]:
    """Runs a row from its middle to both sides, as far as settings can become operating points on so many texts."""
    middle = len(row) // 2
    for setting in row[middle:]:
        yield (trial := run(setting))
        if trial.loss_bound(texts) > requirements[-1].max_loss:
            break
    for setting in reversed(row[:middle]):
        yield (trial := run(setting))
        if trial.loss_bound(texts) <= requirements[0].max_loss:
            break


def _finalists(sampled: Sequence[Trial], requirements: Sequence[Requirement], texts: int) -> Iterator[Strategy]:
    """Yields for each requirement the fastest settings that nothing beats on the sample, or those that lose least.

    Losses count with the standard error that they would have on so many texts.
    """
    frontier: list[Trial] = []  # faster and faster
    for one in sorted(filter(able, sampled), key=lambda one: (one.loss_bound(texts), -one.theoretical_speedup)):
        if not frontier or one.theoretical_speedup > frontier[-1].theoretical_speedup:
            frontier.append(one)
    for requirement in requirements:
        accepted = sum(requirement.accepts(one, texts) for one in frontier)
        yield from (one.strategy for one in frontier[max(0, accepted - FINALISTS) :][:FINALISTS])
