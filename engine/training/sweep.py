"""The sweep for operating points: which settings are tried, on which texts, and which are chosen.

Settings lie on lines: along a line one number grows, and with it the share of words that exit. A few lines, spread
over gate layouts, run on some 60 texts, and then the lines that differ from the best of them in one setting. The dozen
most promising settings run on all texts, a few at a time; what they lose corrects what the sample led to expect.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.pruning.controllers import CONTROLLERS, EntropyController, LearnedController, RuleController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, with_recovery
from engine.runs import Log
from engine.tagger import Engine
from engine.training.trials import OutOfTimeError, Reference, Trial, choose, enough_texts, measure

SAMPLE_WORDS, SAMPLE_TEXTS = 14_000, 20  # minimum size of the sample: some 60 abstracts
PORTION = 12  # settings that share their first layers
# Rounds on all texts: number of lines for each operating point, and share of its limit at which they run.
FINALISTS = (3, 1.0), (1, 0.95), (1, 0.9), (1, 0.8)
LEADERS, ROUNDS = 3, 2  # lines for each operating point whose variations are tried, and how often
SAMPLE_SHARE, RECOVERY_SAMPLE_SHARE = 0.6, 0.7  # of the time, at most
ALIKE = 0.01  # relative difference of two scales that give about the same setting
NEAREST, TENTH = 3, 0.1  # settings on all texts that show what a loss on the sample means; pp that avoid a loss of 0

# Gates and last gates for 12 layers; those for other depths lie at the same share of the depth.
DEEP = (1, 2, 3, 4), (1, 2, 3, 4, 5), (1, 2, 3, 4, 6), (2, 4, 6), (4, 6, 8), (6, 8, 10)
DEEP_ENDS = 6, 8, 10
FACTORS = (1.0, 1.3, 2.0, 3.0)
SCALES = (0.0002, 0.0006, 0.002, 0.006, 0.02, 0.06, 0.18, 0.54)  # geometric mean of the thresholds of entropy
RISKS = (0.001, 0.003, 0.006, 0.012, 0.025, 0.05, 0.15, 0.5)  # and of mlp: closer together where its losses are small
LOOSER = (1.0, 1.6, 2.5)  # thresholds under recovery, as multiples of those without
# Fewer windows become doubtful along the line of each trigger.
TRIGGERS = {
    "confidence": ("min_confidence", (0.7, 0.6, 0.55, 0.5, 0.45, 0.4)),
    "entropy_spike": ("max_rise", (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)),
    "entity_loss": ("recovery_limit", (128, 32)),
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """Settings that differ in one number, the scale.

    ``base``: a setting with all that they share.
    ``name``: name of the setting that the scale sets.
    ``scales``: scales to begin with, in the order in which more words exit.
    ``shape``: for a setting per gate, the factor of the scale at each gate; infinite where every word exits.
    """

    base: Strategy
    name: str
    scales: tuple[float, ...]
    shape: tuple[float, ...] = ()

    def at(self, scale: float) -> Strategy:
        """The setting at a scale."""
        value: Any = tuple(min(1.0, scale * by) for by in self.shape) if self.shape else scale
        if isinstance(self.base.settings()[self.name], int):
            value = round(scale)
        return replace(self.base.with_settings(**{self.name: value}), point="")

    def beyond(self, tried: Collection[float], *, faster: bool) -> float | None:
        """The next of ``scales`` at which more words (or fewer, unless ``faster``) exit than at all tried scales."""
        sign = 1 if (self.scales[-1] > self.scales[0]) == faster else -1
        return next(
            (one for one in self.scales[:: 1 if faster else -1] if all(sign * one > sign * other for other in tried)),
            None,
        )

    def between(self, low: float, high: float, share: float) -> float:
        """The scale at a share of the way between two; thresholds are compared by their ratio."""
        return low * (high / low) ** share if self.shape else low + (high - low) * share


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
    for gates in sets:
        for end in ends:
            if before := tuple(gate for gate in gates if gate < end):
                found[(*before, end), True] = None
    return list(found)


def growing_line(base: Strategy, name: str, factor: float, *, ends: bool) -> Line:
    """The line on which thresholds grow by a factor from gate to gate; every word exits at the last if it ``ends``."""
    free = len(base.gates) - ends
    shape = tuple(factor ** (index - (free - 1) / 2) for index in range(free))
    return Line(base, name, SCALES if name == "max_entropy" else RISKS, (*shape, math.inf) if ends else shape)


def first_lines(kind: str, layers: int) -> Iterator[Line]:
    """The lines of a controller that are tried first, which cover every layout."""
    if kind == EntropyController.kind:
        for gates, ends in layouts(layers):
            free = len(gates) - ends
            for factor in FACTORS[:1] if free == 1 else (1.0, 3.0) if free <= 3 else (1.3, 2.0):
                base = Strategy(kind, gates, EntropyController(1.0, 1, exit_entities=True))
                yield growing_line(base, "max_entropy", factor, ends=ends)
    elif kind == LearnedController.kind:  # also single gates and entities that stay, as in published settings
        for gates, ends in [*layouts(layers), *(((gate,), False) for gate in range(1, layers // 2 + 1))]:
            for factor in (1.0,) if len(gates) - ends <= 3 else (1.3, 2.0):
                for exit_entities in (True,) if ends else (True, False):
                    base = Strategy(kind, gates, LearnedController(1.0, exit_entities=exit_entities))
                    yield growing_line(base, "max_risk", factor, ends=ends)
    elif kind == RuleController.kind:  # few gates, since each computes attention statistics
        for gates in sorted({gates[:count] for gates, ends in layouts(layers) for count in (1, 2) if not ends}):
            for weights in ((1.0, 0.0, 0.0), (1.0, 0.25, 0.0), (1.0, 0.0, -0.25)):
                yield Line(Strategy(kind, gates, RuleController(0.0, *weights)), "lambda_", (-1.0, 0.0, 1.0, 2.0))
    else:  # only the ranges of a new controller's settings are known
        base = Strategy(kind, CONTROLLERS[kind].default_gates(layers), CONTROLLERS[kind]())
        for one in CONTROLLERS[kind].settings():
            if one.kind in ("number", "whole", "per gate"):
                steps = tuple(one.low + (one.high - one.low) * step / 5 for step in range(6))
                yield from (Line(base, one.name, steps), Line(base, one.name, steps[::-1]))


def variations(line: Line) -> Iterator[Line]:
    """The lines that differ from this one in one setting."""
    base = line.base
    if hasattr(base.controller, "neighbours"):
        for neighbours in (0, 1, 2):
            yield replace(line, base=base.with_settings(neighbours=neighbours))
    if line.shape:
        ends = math.isinf(line.shape[-1])
        if len(line.shape) - ends > 1:
            for factor in FACTORS:
                yield growing_line(base, line.name, factor, ends=ends)
        if not ends:
            yield replace(line, base=base.with_settings(exit_entities=not base.settings()["exit_entities"]))


def recovery_lines(strategy: Strategy) -> Iterator[Line]:
    """The lines of every trigger at a setting and at looser thresholds, which recovery may make up for."""
    for name in ("max_entropy", "max_risk"):
        for looser in LOOSER if name in strategy.settings() else ():
            value = strategy.settings()[name]
            thresholds = value if isinstance(value, tuple) else (value,) * len(strategy.gates)
            loose = with_recovery(strategy.with_settings(**{name: tuple(min(1.0, looser * one) for one in thresholds)}))
            for trigger, (setting, scales) in TRIGGERS.items():
                for limit in (32, 128) if trigger != "entity_loss" else (64,):
                    yield Line(replace(loose, recovery=Recovery(trigger, recovery_limit=limit)), setting, scales)


class Sweep:
    """Finds the fastest settings within the limit of each operating point, in pp.

    ``seed`` is that of the order of documents and lines. ``log`` holds measured settings, from which an interrupted
    sweep continues.

    ``sampled``, ``whole``: the settings that ran on the sample, and on all texts.
    """

    def __init__(
        self, engine: Engine, reference: Reference, limits: Sequence[float], *, seed: int = 0, log: Log | None = None
    ) -> None:
        self.engine, self.reference, self.limits, self.seed = engine, reference.shuffled(seed), limits, seed
        self.total = len(self.reference.documents)
        size = max(SAMPLE_TEXTS, enough_texts([document.text for document in self.reference.documents], SAMPLE_WORDS))
        self.sample_size = size if 1.5 * size < self.total else self.total
        self.sampled: dict[Strategy, Trial] = {}
        self.whole: dict[Strategy, Trial] = self.sampled if self.sample_size == self.total else {}
        self._curves: dict[Line, list[tuple[float, float, float]]] = {}  # speed-up, expected loss and scale, ascending
        self._out_of_time: set[str] = set()  # names of strategies
        self._seconds = self._settings_texts = 0.0  # time spent so far, and settings × texts done in it
        self._log = log
        records = [(one["begin"], Trial.from_json(one, self.reference.dense[one["begin"] :])) for one in log or ()]
        self._logged = {(trial.strategy, begin): trial for begin, trial in records}

    def run(self, name: str, stored: Iterable[Strategy] = (), seconds: float = math.inf) -> None:
        """Sweeps the strategy with this name.

        ``stored`` settings, such as operating points chosen before, run on all texts in any case. After some seconds
        the sweep ends, and what was measured by then counts.
        """
        now = time.monotonic()
        deadline, kind = now + seconds, name.removesuffix(RECOVERY)
        try:
            self._measure([replace(one, point="") for one in stored], self.total, deadline)
            first = first_lines(kind, self.engine.sizes.layers)
            complete = self._sample(kind, first, now + SAMPLE_SHARE * seconds)
            if name != kind:
                bases = [line.at(scale) for limit in self.limits for _, line, scale in self._leaders(kind, limit)]
                lines = [line for base in dict.fromkeys(bases) for line in recovery_lines(base)]
                complete &= self._sample(name, lines, now + RECOVERY_SAMPLE_SHARE * seconds)
            if not complete:
                self._out_of_time.add(name)
            for count, share in FINALISTS:
                self._run_finalists(name, count, share, deadline)
        except OutOfTimeError:
            self._out_of_time.add(name)
        for (strategy, begin), one in self._logged.items():  # of a sweep with other limits
            if strategy.name == name and (not begin or strategy in self.sampled):
                self._keep(one, begin)
        sampled, whole = self._counts(name)
        logger.info("%s: %d settings ran on %d texts, %d on all %d", name, sampled, self.sample_size, whole, self.total)

    def trials(self, name: str) -> list[Trial]:
        """A strategy's settings that ran on all texts or, if time allowed none of these, on the sample."""
        return _named(name, self.whole) or _named(name, self.sampled)

    def chosen(self, name: str) -> dict[str, Trial]:
        """Maps each operating point to its setting; those that no setting reaches are left out."""
        return choose(self.trials(name), self.limits)

    def closest(self, name: str) -> Trial | None:
        """The setting that loses least of those that could be an operating point."""
        able = [one for one in self.trials(name) if one.qualifies]
        return min(able, key=lambda one: one.loss_bound, default=None)

    def time_out(self, name: str) -> str:
        """Returns how many settings ran before time was used up, as a clause; empty if time sufficed."""
        if name not in self._out_of_time:
            return ""
        sampled, whole = self._counts(name)
        if self.sample_size == self.total:
            return f"time was over after {sampled} settings"
        return f"time was over after {sampled} settings on {self.sample_size} texts and {whole} on all {self.total}"

    def _counts(self, name: str) -> tuple[int, int]:
        """The number of a strategy's settings that ran on the sample, and on all texts."""
        return len(_named(name, self.sampled)), len(_named(name, self.whole))

    def _sample(self, name: str, lines: Iterable[Line], deadline: float) -> bool:
        """Runs lines on the sample, then the variations of the best; returns whether time sufficed."""
        first = list(lines)
        random.Random(self.seed).shuffle(first)
        try:
            self._explore([(line, line.scales[len(line.scales) // 2], self.limits) for line in first], deadline)
            for _ in range(ROUNDS):
                best = [(limit, *one) for limit in self.limits for one in self._promising(name, limit)]
                self._explore([(line, scale, ()) for _, line, scale in best], deadline)
                self._explore(
                    [(other, scale, (limit,)) for limit, line, scale in best for other in variations(line)], deadline
                )
        except OutOfTimeError:
            return False
        return True

    def _explore(self, starts: Sequence[tuple[Line, float, Sequence[float]]], deadline: float) -> None:
        """Runs each line on the sample at a scale, then at others until it crosses its limits or cannot win."""
        wanted = [(line, scale) for line, scale, _ in starts]
        while wanted:
            self._try(wanted, self.sample_size, deadline)
            wanted = [
                (line, scale)
                for line, _, limits in starts
                for limit in limits
                for scale in self._next_scales(line, limit)
            ]

    def _next_scales(self, line: Line, limit: float) -> Iterator[float]:
        """The scales at which to look for the place where a line crosses a limit."""
        curve, tried = self._curves[line], self._tried(line)
        if all(bound <= limit for _, bound, _ in curve) and (scale := line.beyond(tried, faster=True)) is not None:
            yield scale
        if curve[0][1] <= limit:
            return
        best = max((speed for speed, *_ in self._leaders(line.base.name, limit, 1)), default=0.0)
        if curve[0][0] > best and (scale := line.beyond(tried, faster=False)) is not None:
            yield scale

    def _try(self, wanted: Sequence[tuple[Line, float]], size: int, deadline: float) -> None:
        """Runs lines at scales on the first ``size`` texts and updates their curves."""
        settings = [line.at(scale) for line, scale in wanted]
        self._measure(settings, size, deadline)
        for (line, scale), setting in zip(wanted, settings, strict=True):
            one = self.sampled[setting]
            found = one.theoretical_speedup, self._expected_bound(one), scale
            self._curves[line] = sorted({*self._curves.get(line, ()), found})

    def _tried(self, line: Line) -> list[float]:
        """The scales at which a line ran."""
        return [scale for *_, scale in self._curves[line]]

    def _expected_bound(self, sampled: Trial) -> float:
        """The loss plus standard error to expect on all texts; infinite if recovery fires too rarely."""
        error = math.sqrt(self.sample_size / self.total) * sampled.loss_error
        return sampled.loss + error if sampled.fires else math.inf

    def _crossing(self, line: Line, limit: float) -> tuple[float, float] | None:
        """The speed-up and the scale at which a line crosses a limit, interpolated between tried scales."""
        curve = self._curves[line]
        last = max((index for index, (_, bound, _) in enumerate(curve) if bound <= limit), default=None)
        if last is None:
            return None
        speed, bound, scale = curve[last]
        if last + 1 == len(curve):
            return speed, scale
        next_speed, next_bound, next_scale = curve[last + 1]
        share = (limit - bound) / (next_bound - bound)
        return speed + share * (next_speed - speed), line.between(scale, next_scale, share)

    def _leaders(self, name: str, limit: float, count: int = LEADERS) -> list[tuple[float, Line, float]]:
        """Returns a strategy's fastest lines at a limit, as speed-up, line and scale."""
        lines = [line for line in self._curves if line.base.name == name]
        found = [(at[0], line, at[1]) for line in lines if (at := self._crossing(line, limit))]
        return sorted(found, key=lambda one: -one[0])[:count]

    def _promising(self, name: str, limit: float) -> list[tuple[Line, float]]:
        """Returns lines and scales: a strategy's leaders, or those that lose least as long as none meets the limit."""
        if leaders := self._leaders(name, limit):
            return [(line, scale) for _, line, scale in leaders]
        curves = [(line, curve) for line, curve in self._curves.items() if line.base.name == name]
        least = [(min((bound, scale) for _, bound, scale in curve), line) for line, curve in curves]
        return [(line, scale) for (_, scale), line in sorted(least, key=lambda one: one[0])[:LEADERS]]

    def _run_finalists(self, name: str, count: int, share: float, deadline: float) -> None:
        """Runs the most promising lines for each limit on all texts, at scales where they should just meet it."""
        finalists = []
        for limit in self.limits:
            expected = share * limit / self._loss_ratio(name, limit)
            lines = self._promising(name, limit)
            self._explore([(line, min(self._tried(line)), (expected,)) for line, _ in lines], deadline)
            within = [one for one in _named(name, self.whole) if one.qualifies and one.loss_bound <= limit]
            best = max((one.theoretical_speedup for one in within), default=0.0)
            ahead = [one for one in self._leaders(name, expected, 3 * count) if one[0] > best]
            fresh = [(line, scale) for _, line, scale in ahead if not self._ran_near(line, scale)]
            finalists += fresh[:count]
        self._try(finalists, self.total, deadline)

    def _ran_near(self, line: Line, scale: float) -> bool:
        """Whether a line ran on all texts at about this scale."""
        ran = [at for at in self._tried(line) if line.at(at) in self.whole]
        return any(abs(one - scale) <= ALIKE * abs(scale) for one in ran)

    def _loss_ratio(self, name: str, limit: float) -> float:
        """The loss on all texts ÷ that expected from the sample, of the settings whose losses are nearest a limit."""
        pairs = [
            (one.loss_bound + TENTH, self._expected_bound(self.sampled[strategy]) + TENTH)
            for strategy, one in self.whole.items()
            if strategy.name == name and one.fires and self.sampled[strategy].fires
        ]
        near = sorted(pairs, key=lambda pair: abs(math.log(max(TENTH, pair[0]) / (limit + TENTH))))[:NEAREST]
        return sum(one for one, _ in near) / sum(other for _, other in near) if near else 1.0

    def _measure(self, strategies: Iterable[Strategy], size: int, deadline: float) -> None:
        """Runs settings on the first ``size`` texts, unless they ran there; time must suffice for all of them."""
        ran = self.sampled if size == self.sample_size else self.whole
        missing = [one for one in dict.fromkeys(strategies) if one not in ran]
        if size > self.sample_size:
            self._measure(missing, self.sample_size, deadline)
        begin = self.sample_size if size > self.sample_size else 0
        for strategy in missing:
            if one := self._logged.get((strategy, begin)):
                self._keep(one, begin)
        missing = [one for one in missing if one not in ran]
        while missing:
            count = PORTION
            if not self._settings_texts:  # to see how long one takes
                count = 2
            elif deadline < math.inf:
                each = self._seconds / self._settings_texts * (size - begin)
                count = min(count, int((deadline - time.monotonic()) / each))
            if count < 1:
                raise OutOfTimeError
            portion, missing = missing[:count], missing[count:]
            started = time.monotonic()
            progress = f"{portion[0].name}, {len(portion)} settings"
            for one in measure(self.engine, self.reference, portion, begin, size, progress=progress, deadline=deadline):
                self._keep(one, begin)
                if self._log is not None:
                    self._log.append(one.to_json() | {"begin": begin})
            self._seconds += time.monotonic() - started
            self._settings_texts += len(portion) * (size - begin)

    def _keep(self, trial: Trial, begin: int) -> None:
        """Stores a trial on the sample, or appends one on the other texts (``begin`` > 0) to that on the sample."""
        if begin:
            self.whole[trial.strategy] = self.sampled[trial.strategy].joined(trial)
        else:
            self.sampled[trial.strategy] = trial


def _named(name: str, ran: Mapping[Strategy, Trial]) -> list[Trial]:
    """The trials of a strategy."""
    return [one for strategy, one in ran.items() if strategy.name == name]
