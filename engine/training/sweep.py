"""The sweep for operating points: predicts a grid of settings and measures the dozen that decide.

The grid is predicted from one dense pass (`engine.training.dense_pass`). On its Pareto front of loss and MACs,
bisection finds the fastest setting within each limit by measurement, in the engine's dtype.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from engine.base import Engine
from engine.cli.progress import progress
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.settings import settings_of
from engine.training.dense_pass import DensePass
from engine.training.points import Choice, choose
from engine.training.trials import Trial, measure

SCALES = tuple(0.54 / 3 ** (step / 2) for step in range(14))  # geometric mean of the thresholds of all gates
GROWTH = 3.0  # factor by which thresholds grow from gate to gate
MAX_FRONTIER = 32  # settings among which bisection chooses at most
LOSS_MARGIN = 3  # multiple of the widest limit beyond which a predicted loss is out of the question
MIN_STEP = 0.005  # relative difference in MACs between two of them


def sweep(outputs: DensePass, name: str, limits: Mapping[str, float]) -> list[Choice]:
    """Chooses operating points of the strategy ``name``, stored ones included; see `engine.training.points.choose`.

    ``outputs``: the dense pass of the engine that measures. ``limits``: operating point → pp of agreement it may lose.
    """
    engine, tried, measured = outputs.engine, search(outputs, name), dict[Strategy, Trial]()
    near = [trial for trial in tried if trial.loss_bound <= LOSS_MARGIN * max(limits.values()) + 1]
    candidates = frontier(near or tried)
    most = len(limits) * MAX_FRONTIER.bit_length()  # bisection's steps
    with progress(what=f"Measure the best settings of {name}", total=most) as bar:

        def fits(limit: float, candidate: Strategy) -> bool:
            if candidate not in measured:
                measured[candidate] = measure(engine, outputs.reference, candidate)
                bar.update()
            return measured[candidate].eligible and measured[candidate].loss_bound <= limit

        for stored in engine.points.get(name, {}).values():
            strategy = replace(engine.strategy(stored), point="")
            measured[strategy] = measure(engine, outputs.reference, strategy)
        for limit in limits.values():
            bisect_left(candidates, True, key=partial(fits, limit))
    return choose(measured.values(), limits)


def search(outputs: DensePass, name: str) -> list[Trial]:
    """Returns the predicted trials of the grid; with recovery, of the best plain settings with each trigger."""
    kind = name.removesuffix(RECOVERY)
    settings = list(dict.fromkeys(grid(outputs.engine, kind)))
    if name != kind:
        plain = [replace(strategy, recovery=Recovery()) for strategy in frontier(search(outputs, kind))]
        settings = [strategy.with_settings(trigger=trigger) for strategy in plain for trigger in TRIGGERS]
    return list(map(outputs.predict, progress(settings, f"Predict {len(settings)} settings of {name}")))


def frontier(trials: Iterable[Trial]) -> list[Strategy]:
    """The settings that no other beats in both loss and MACs, the fastest first; at most `MAX_FRONTIER`."""
    eligible, best = (trial for trial in trials if trial.eligible), list[Trial]()
    for trial in sorted(eligible, key=lambda trial: (trial.loss_bound, trial.cost.macs)):
        if not best or trial.cost.macs < (1 - MIN_STEP) * best[-1].cost.macs:
            best.append(trial)
    step = max(1, math.ceil(len(best) / MAX_FRONTIER))
    return [trial.strategy for trial in best[::-1][::step]]


def grid(engine: Engine, kind: str) -> Iterator[Strategy]:
    """Settings to try: gates at several depths, and the first declared setting over its range."""
    controller = CONTROLLERS[kind]
    driving, *others = settings_of(controller)
    flags = {setting.name: True for setting in others if setting.kind == "flag"}
    for gates in gate_sets(engine.sizes.layers):
        base = engine.strategy(Strategy(gates, controller()))
        values: list[Any] = np.linspace(driving.low, driving.high, 9).tolist()
        if driving.kind == "per gate":
            powers = np.arange(len(gates)) - (len(gates) - 1) / 2
            values = [tuple(np.minimum(scale * GROWTH**powers, driving.high).tolist()) for scale in SCALES]
            values += [(*value[:-1], driving.high) for value in values if len(value) > 1]  # all exit at the last gate
        elif driving.kind == "whole":
            values = sorted({round(value) for value in values})
        for value in values:
            yield base.with_settings(**{driving.name: value})
            if flags:
                yield base.with_settings(**{driving.name: value}, **flags)


def gate_sets(layers: int) -> list[tuple[int, ...]]:
    """Two or three gates that begin in the first half of the depth, also with one late gate behind them."""
    step, runs = max(1, layers // 6), list[tuple[int, ...]]()
    for first in range(1, max(1, layers // 2) + 1, step):
        run = tuple(gate for gate in range(first, layers, step))[: 3 if first == 1 else 2]
        runs += [run, *((*run, end) for end in (layers - 2, layers - 1) if run and end > run[-1])]
    return [run for run in dict.fromkeys(runs) if run]
