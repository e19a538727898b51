"""The search for operating points: many settings, narrowed down on growing samples of the reference's documents.

First they are simulated (see ``engine.training.simulate``), which gives their speed and a lower bound of their loss.
Those worth running for real go through successive halving (Jamieson and Talwalkar 2016): all of them on a few
documents, the promising ones on more, and only the last few on all. The same follows with variations of the best and,
while time is left, with what simulation ranked next.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine.inspection.cost import Cost, add
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.scoring import Counts
from engine.training.points import SLACK, Reference, Tried, choose, measure
from engine.training.simulate import Simulator, can_simulate

SMALLEST, GROWTH = 25, 4  # documents in the first sample, at most three times as many; growth factor of the next
KEPT, KEPT_AT_LEAST = 5, 8  # one in KEPT settings goes on, but no fewer than the latter
SIMULATED = 400_000  # characters: about 250 abstracts
SIMULATING = 1 / 3  # maximum share of the time for candidates or for variations
SPEEDS = 24  # steps of speed-up, from each of which one simulated setting runs for real
ROUNDS = 5  # of variations

logger = logging.getLogger(__name__)


def promising(tried: Sequence[Tried], reference: Reference, max_drops: Sequence[float]) -> Iterator[Tried]:
    """Settings in the order in which they deserve to run on more documents, each once.

    For every drop in turn: the fastest whose loss is within it, and the fastest whose loss plus standard error is; once
    none is left, the one that misses it least.
    """
    losses = [one.loss(reference) for one in tried]
    bounds = [one.loss_bound(reference) for one in tried]

    def by_excess(values: Sequence[float], drop: float) -> list[Tried]:
        order = sorted(range(len(tried)), key=lambda i: (max(0.0, values[i] - drop), -tried[i].theoretical_speedup))
        return [tried[index] for index in order]

    lists = [by_excess(values, drop) for drop in max_drops for values in (bounds, losses)]
    seen: set[int] = set()
    for turn in zip_longest(*lists):
        for one in turn:
            if id(one) not in seen:
                seen.add(id(one))
                yield one


class Search:
    """Finds the fastest settings of one strategy within each drop.

    Args:
        engine: what runs them.
        reference: what they are counted against.
        max_drops: for each point, in points of F1.
        seed: of the order of documents and settings.
        seconds: how long it may take; it chooses among the settings measured by then.
        log: a file of what was measured, from which an interrupted search continues.
        eligible: says which settings may be chosen; others are only measured.
    """

    def __init__(
        self,
        engine: Engine,
        reference: Reference,
        max_drops: Sequence[float],
        *,
        seed: int = 0,
        seconds: float = math.inf,
        log: Path | None = None,
        eligible: Callable[[Tried], bool] = lambda tried: True,
    ) -> None:
        self.engine, self.reference, self.max_drops = engine, reference.shuffled(seed), max_drops
        self.deadline = time.monotonic() + seconds
        self.log, self.eligible, self.seed = log, eligible, seed
        self.parts: dict[str, list[Tried]] = {}  # of each setting, sample after sample
        if log is not None and log.is_file():
            whole, _, torn = log.read_text().rpartition("\n")
            if torn:  # by an interruption
                log.write_text(f"{whole}\n" if whole else "")
            for line in whole.splitlines():
                part = _from_json(json.loads(line))
                self.parts.setdefault(_key(part.strategy), []).append(part)

    def run(
        self,
        candidates: Iterable[Strategy],
        vary: Callable[[Strategy], Iterable[Strategy]],
        name: str,
        stored: Iterable[Strategy] = (),
    ) -> None:
        """Tries candidates, then variations of the best setting for each point, as long as they help.

        If time is limited, what is left of it goes to further candidates.

        Args:
            candidates: settings to begin with.
            vary: settings near one.
            name: of the strategy, for progress bars.
            stored: settings that always run on all documents: previously chosen points, which a search may miss.
        """
        for strategy in tqdm(list(stored), desc=f"{name}, stored points", disable=None):
            self.on_all(strategy)
        deadline = self._share(0.5)
        first, *others = self._ranked(candidates, deadline)
        self._narrow(first, f"{name}, candidates", deadline)
        self._vary(vary, name)
        for number, more in enumerate(others if math.isfinite(self.deadline) else (), start=2):
            if time.monotonic() > self.deadline:
                return
            self._narrow(more, f"{name}, candidates {number}", self._share(0.5))
            self._vary(vary, name)

    def _vary(self, vary: Callable[[Strategy], Iterable[Strategy]], name: str) -> None:
        """Tries variations of the best setting for each point, as long as they help."""
        for number in range(1, ROUNDS + 1):
            before = [one.strategy for one in self.best()]
            varied = [other for strategy in before for other in (strategy, *vary(strategy))]
            deadline = self._share(0.5 if number < ROUNDS else 1.0)
            ranked = [one for wave in self._ranked(varied, deadline) for one in wave]
            self._narrow(ranked, f"{name}, variations {number}", deadline)
            if [one.strategy for one in self.best()] == before or time.monotonic() > self.deadline:
                return

    def measured(self) -> list[Tried]:
        """Eligible settings that ran on all documents."""
        tried = [joined(parts) for parts in self.parts.values()]
        return [one for one in tried if len(one.counts) == len(self.reference.documents) and self.eligible(one)]

    def on_all(self, strategy: Strategy) -> Tried:
        """Measures a setting on all documents, unless that was done before."""
        return self._measure(strategy, len(self.reference.documents))

    def chosen(self) -> dict[str, Tried]:
        """The setting of each point that is reached."""
        return choose(self.measured(), self.reference, self.max_drops, SLACK)

    def best(self) -> list[Tried]:
        """For each point the setting chosen, or the one that comes closest; each once, without a point's name."""
        measured = self.measured() or [joined(parts) for parts in self.parts.values()]
        chosen, found = self.chosen(), {}
        for point in OPERATING_POINTS:
            one = chosen.get(point) or min(measured, key=lambda one: one.loss_bound(self.reference))
            found[_key(one.strategy)] = replace(one, strategy=plain(one.strategy))
        return list(found.values())

    def _share(self, share: float) -> float:
        """The time at which this share of the time left will have passed."""
        return time.monotonic() + share * (self.deadline - time.monotonic())

    def _left(self) -> str:
        """The time left, for the log."""
        left = max(0.0, self.deadline - time.monotonic())
        return f", {tqdm.format_interval(left)} left" if math.isfinite(left) else ""

    def _narrow(self, remaining: list[Strategy], stage: str, deadline: float) -> None:
        """Runs ever fewer settings on growing samples of the documents; if time runs out, only the first of them."""
        sizes = self._sizes()
        for number, size in enumerate(sizes):
            now = time.monotonic()
            until = now + (deadline - now) / (len(sizes) - number)
            found: list[Tried] = []
            for strategy in tqdm(remaining, desc=f"{stage}, {size} texts", disable=None):
                if time.monotonic() > until and len(found) >= len(self.max_drops):
                    break
                found.append(self._measure(strategy, size))
            ran = f"{len(found)} of {len(remaining)} settings ran on {size} texts"
            logger.info("%s: %s%s", stage, ran, self._left())
            eligible = [one for one in found if self.eligible(one)]
            keep = max(KEPT_AT_LEAST, len(found) // KEPT)
            remaining = [one.strategy for one in promising(eligible or found, self.reference, self.max_drops)][:keep]

    def _ranked(self, strategies: Iterable[Strategy], deadline: float = math.inf) -> list[list[Strategy]]:
        """Lists of settings whose simulated loss is allowed: the best of each step of speed-up, then the next, ….

        Each list is in random order.

        Real losses are larger, and grow with the speed-up. Of settings that lose alike, those with more neighbours,
        then those with later gates, come first: they remove less of what others attend to. Settings that cannot be
        simulated are not ranked.

        Args:
            strategies: to choose from; some may be the same.
            deadline: for running them; a third of the time until then is for simulation.
        """
        different = list({_key(one): plain(one) for one in strategies}.values())
        order = random.Random(self.seed)
        order.shuffle(different)  # if time runs out, the simulated ones are a random sample
        if not all(map(can_simulate, different)):
            return [different]
        now = time.monotonic()
        until = now + SIMULATING * (deadline - now)
        tried: list[Tried] = []
        for strategy in tqdm(different, desc="simulated", disable=None):
            if time.monotonic() > until and len(tried) >= SPEEDS:
                break
            tried.append(self._simulator.measure(strategy))
        within = [one for one in tried if one.loss(self.reference) <= max(self.max_drops)] or tried
        fastest = max(one.theoretical_speedup for one in within)
        steps: dict[int, list[Strategy]] = {}
        for one in sorted(within, key=self._caution):
            step = round(SPEEDS * math.log(max(1.0, one.theoretical_speedup)) / math.log(max(1.01, fastest)))
            steps.setdefault(step, []).append(one.strategy)
        waves = [[one for one in ones if one is not None] for ones in zip_longest(*steps.values())]
        for wave in waves:
            order.shuffle(wave)
        return waves

    def _caution(self, one: Tried) -> tuple[float, int, list[int]]:
        """The sort key of `_ranked`."""
        strategy = one.strategy
        return (
            round(one.loss(self.reference), 1),
            -strategy.settings().get("neighbours", 0),
            [-g for g in strategy.gates],
        )

    @cached_property
    def _simulator(self) -> Simulator:
        characters = accumulate(len(document.text) for document in self.reference.documents)
        count = sum(1 for total in characters if total <= SIMULATED)
        return Simulator(self.engine, self.reference.first(max(1, count)))

    def _sizes(self) -> list[int]:
        """How many documents each sample has."""
        sizes = [len(self.reference.documents)]
        while sizes[0] > 3 * SMALLEST:
            sizes.insert(0, max(SMALLEST, sizes[0] // GROWTH))
        return sizes

    def _measure(self, strategy: Strategy, size: int) -> Tried:
        """Measures the setting on the first ``size`` documents, but not again on those that it ran on before."""
        parts = self.parts.setdefault(_key(strategy), [])
        done = sum(len(part.counts) for part in parts)
        if done < size:
            parts.append(measure(self.engine, self.reference, strategy, done, size))
            if self.log is not None:
                with self.log.open("a") as file:
                    file.write(json.dumps(_to_json(parts[-1])) + "\n")
        return joined(parts, size)


def joined(parts: Sequence[Tried], size: int | None = None) -> Tried:
    """Joins one setting's consecutive samples; with ``size``, only the first that hold that many documents."""
    counts: tuple[Counts, ...] = ()
    taken = []
    for part in parts:
        if size is not None and len(counts) >= size:
            break
        counts += part.counts
        taken.append(part)
    cost = add([part.cost for part in taken], len(taken[0].cost.rows))
    return Tried(taken[0].strategy, counts, cost, sum(part.fired for part in taken))


def plain(strategy: Strategy) -> Strategy:
    """The strategy without a point's name."""
    return replace(strategy, point="")


def _key(strategy: Strategy) -> str:
    return json.dumps(plain(strategy).to_json())


def _to_json(tried: Tried) -> dict[str, Any]:
    counts = [[of.correct, of.predicted, of.gold] for of in tried.counts]
    record = {"strategy": tried.strategy.to_json(), "counts": counts, "cost": asdict(tried.cost)}
    return record | {"fired": tried.fired}


def _from_json(record: dict[str, Any]) -> Tried:
    cost = Cost(**record["cost"] | {"rows": tuple(record["cost"]["rows"])})
    counts = tuple(Counts(*of) for of in record["counts"])
    return Tried(Strategy.from_json(record["strategy"]), counts, cost, record["fired"])
