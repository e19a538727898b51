"""The sweep for operating points: which settings are tried, on which texts, and which are chosen.

A grid of settings runs on a sample of some 60 texts, and then a finer grid around the best of them. Of the settings
that nothing beats there, the dozen that decide which operating points there are run on all texts. Everything runs
through `Engine.tag_batch`, in whatever dtype the engine has.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

from tqdm import tqdm

from engine.pruning.controllers import CONTROLLERS, EntropyController, LearnedController, RuleController
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, with_recovery
from engine.tagger import Engine
from engine.training.trials import OutOfTimeError, Reference, Requirement, Trial, able, choose, enough_texts, measure

SAMPLE_WORDS, SAMPLE_TEXTS = 14_000, 20  # minimum size of the sample: some 60 abstracts
GRID_SHARE, FINER_SHARE = 0.4, 0.6  # of the time, by which the grid and the finer grid end
BEST = 3  # settings for each operating point around which the finer grid lies

# Gates and last gates for 12 layers; those for other depths lie at the same share of the depth.
DEEP, DEEP_ENDS = ((1, 2, 3, 4), (1, 2, 3, 4, 6), (2, 4, 6), (4, 6, 8)), (8, 10)
SCALES = tuple(0.54 / 3**step for step in reversed(range(8)))  # geometric mean of a row's thresholds
FINER = (0.48, 0.69, 1.0, 1.44)  # around them: factors that divide the way to the next scale into three
NEIGHBOURS = (0, 1, 2)
LAMBDAS = tuple(step / 4 for step in range(-4, 9))
LOOSER = (1.0, 1.6)  # thresholds under recovery, as multiples of those without
# Fewer windows become doubtful along the row of each trigger.
TRIGGERS: dict[str, tuple[str, tuple[float, ...]]] = {
    "confidence": ("min_confidence", (0.6, 0.5, 0.4)),
    "entropy_spike": ("max_rise", (0.05, 0.15, 0.3)),
    "entity_loss": ("recovery_limit", (128, 32)),
}

T = TypeVar("T")
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
    if kind in (EntropyController.kind, LearnedController.kind):
        return [_thresholds(kind, *layout, growth) for layout in layouts(layers) for growth in _growths(*layout)]
    if kind == RuleController.kind:
        sets = sorted({gates[:count] for gates, ends in layouts(layers) for count in (1, 2) if not ends})
        return [
            [Strategy(kind, gates, RuleController(value, neighbours=near)) for value in LAMBDAS]
            for gates, near in product(sets, NEIGHBOURS)
        ]
    base = Strategy(kind, CONTROLLERS[kind].default_gates(layers), CONTROLLERS[kind]())
    rows: list[list[Strategy]] = []  # only the ranges of a new controller's settings are known
    for one in CONTROLLERS[kind].settings():
        if one.kind in ("number", "whole", "per gate"):
            steps = [one.low + (one.high - one.low) * step / 5 for step in range(6)]
            rows.append([_changed(base, **{one.name: round(at) if one.kind == "whole" else at}) for at in steps])
    return rows


def _growths(gates: tuple[int, ...], ends: bool) -> tuple[float, ...]:
    """The factors by which thresholds grow from gate to gate."""
    free = len(gates) - ends
    return (1.0,) if free == 1 else (1.0, 3.0) if free <= 3 else (1.3, 2.0)


def _thresholds(kind: str, gates: tuple[int, ...], ends: bool, growth: float) -> list[Strategy]:
    """A row of growing thresholds; at the last gate they let every word exit if it ``ends`` the pass."""
    free = len(gates) - ends
    row = []
    for scale in SCALES:
        values = (*(min(1.0, scale * growth ** (index - (free - 1) / 2)) for index in range(free)), *(1.0,) * ends)
        if kind == EntropyController.kind:
            row.append(Strategy(kind, gates, EntropyController(values, 1, exit_entities=True)))
        else:  # entities may stay, as in published settings
            row.append(Strategy(kind, gates, LearnedController(values, exit_entities=ends)))
    return row


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


def around(strategy: Strategy) -> Iterator[Strategy]:
    """A finer grid around a setting: thresholds between those of its row, and other neighbours."""
    for factor in FINER:
        near = _loosened(strategy, factor)
        yield near
        if "neighbours" in strategy.settings():
            yield from (_changed(near, neighbours=neighbours) for neighbours in NEIGHBOURS)


def recovery_rows(strategy: Strategy) -> list[list[Strategy]]:
    """Rows for every trigger, at a setting and at looser thresholds, which recovery may make up for."""
    rows = []
    for factor, (trigger, (setting, values)) in product(LOOSER, TRIGGERS.items()):
        loose = with_recovery(_loosened(strategy, factor))
        rows.append([_changed(loose, **{"trigger": trigger, setting: value}) for value in values])
    return rows


class Sweep:
    """Finds the fastest settings that meet each requirement.

    ``seed`` is that of the order of documents and rows.

    ``sampled``, ``whole``: the trials on the sample, and on all texts.
    """

    def __init__(
        self, engine: Engine, reference: Reference, requirements: Sequence[Requirement], *, seed: int = 0
    ) -> None:
        self.engine, self.reference, self.requirements = engine, reference.shuffled(seed), requirements
        self.seed = seed
        self.total = len(self.reference.documents)
        size = max(SAMPLE_TEXTS, enough_texts(self.reference.texts, SAMPLE_WORDS))
        self.sample_size = size if 1.5 * size < self.total else self.total
        self.sampled: dict[Strategy, Trial] = {}
        self.whole: dict[Strategy, Trial] = self.sampled if self.sample_size == self.total else {}
        self._out_of_time: set[str] = set()  # names of strategies
        self._deadline = math.inf

    def run(self, name: str, stored: Iterable[Strategy] = (), seconds: float = math.inf) -> None:
        """Sweeps the strategy with this name.

        ``stored`` settings, such as operating points chosen before, run on all texts in any case. After some seconds
        the sweep ends, and what was measured by then counts.
        """
        start, kind = time.monotonic(), name.removesuffix(RECOVERY)
        rows = grid(kind, self.engine.sizes.layers)
        random.Random(self.seed).shuffle(rows)
        self._each(name, "stored", [_changed(one) for one in stored], self._on_all, start + seconds)
        self._each(name, "grid", rows, self._run_row, start + GRID_SHARE * seconds)
        if name != kind:
            rows = [row for base in self._best(kind, 1) for row in recovery_rows(base)]
            self._each(name, "recovery", rows, self._run_row, start + (GRID_SHARE + FINER_SHARE) / 2 * seconds)
        finer = dict.fromkeys(near for one in self._best(name, BEST) for near in around(one))
        self._each(name, "finer grid", list(finer), self._on_sample, start + FINER_SHARE * seconds)
        self._each(name, "all texts", self.requirements, lambda one: self._decide(name, one), start + seconds)
        logger.info("%s: %d settings ran on %d texts, %d on all %d", name, *self._counts(name))

    def trials(self, name: str) -> list[Trial]:
        """A strategy's settings that ran on all texts or, if time allowed none of these, on the sample."""
        return _named(name, self.whole) or _named(name, self.sampled)

    def chosen(self, name: str) -> dict[str, Trial]:
        """Maps each operating point to its setting; those that no setting reaches are left out."""
        return choose(self.trials(name), self.requirements)

    def closest(self, name: str) -> Trial | None:
        """The setting that loses least of those that could be an operating point."""
        return min(filter(able, self.trials(name)), key=Trial.loss_bound, default=None)

    def time_out(self, name: str) -> str:
        """Returns how many settings ran before time was used up, as a clause; empty if time sufficed."""
        if name not in self._out_of_time:
            return ""
        return "time was over after {} settings on {} texts and {} on all {}".format(*self._counts(name))

    def _counts(self, name: str) -> tuple[int, int, int, int]:
        """How many of a strategy's settings ran on the sample, and on all texts, and how many texts these are."""
        return len(_named(name, self.sampled)), self.sample_size, len(_named(name, self.whole)), self.total

    def _each(self, name: str, what: str, items: Sequence[T], run: Callable[[T], object], deadline: float) -> None:
        """Does something with each item until a time by `time.monotonic`."""
        self._deadline = deadline
        try:
            for item in tqdm(items, desc=f"{name}: {what}", disable=None):
                run(item)
        except OutOfTimeError:
            self._out_of_time.add(name)

    def _on_sample(self, setting: Strategy) -> Trial:
        if setting not in self.sampled:
            size = self.sample_size
            self.sampled[setting] = measure(self.engine, self.reference, setting, size, deadline=self._deadline)
        return self.sampled[setting]

    def _on_all(self, setting: Strategy) -> Trial:
        if setting not in self.whole:
            self._on_sample(setting)
            self.whole[setting] = measure(self.engine, self.reference, setting, deadline=self._deadline)
        return self.whole[setting]

    def _expected(self, trial: Trial) -> float:
        """The loss plus standard error, in pp, to expect of a sampled setting on all texts."""
        return trial.loss_bound(self.total)

    def _run_row(self, row: Sequence[Strategy]) -> None:
        """Runs a row on the sample from its middle to both sides, as far as settings can become operating points."""
        strictest, widest = self.requirements[0].max_loss, self.requirements[-1].max_loss
        middle = len(row) // 2
        for setting in row[middle:]:
            if self._expected(self._on_sample(setting)) > widest:
                break
        for setting in reversed(row[: middle + 1]):
            if self._expected(self._on_sample(setting)) <= strictest:
                break

    def _best(self, name: str, count: int) -> list[Strategy]:
        """The fastest settings on the sample for each requirement, or those that lose least where none meets it."""
        found: dict[Strategy, None] = {}
        for requirement in self.requirements:
            trials = [one for one in _named(name, self.sampled) if able(one)]
            accepted = [one for one in trials if requirement.accepts(one, self.total)]
            accepted.sort(key=lambda one: -one.theoretical_speedup)
            found |= dict.fromkeys(one.strategy for one in (accepted or sorted(trials, key=self._expected))[:count])
        return list(found)

    def _decide(self, name: str, requirement: Requirement) -> None:
        """Finds the fastest setting that meets a requirement on all texts, by bisection of those not beaten."""
        frontier: list[Trial] = []  # on the sample, faster and faster
        trials = filter(able, _named(name, self.sampled))
        for one in sorted(trials, key=lambda one: (self._expected(one), -one.theoretical_speedup)):
            if not frontier or one.theoretical_speedup > frontier[-1].theoretical_speedup:
                frontier.append(one)
        begin, end = 0, len(frontier)
        while begin < end:
            middle = (begin + end) // 2
            if requirement.accepts(self._on_all(frontier[middle].strategy)):
                begin = middle + 1
            else:
                end = middle


def _named(name: str, trials: dict[Strategy, Trial]) -> list[Trial]:
    """The trials of a strategy."""
    return [one for strategy, one in trials.items() if strategy.name == name]
