"""The sweep for operating points: it tries hundreds of settings of a strategy and measures the dozen that decide.

Settings are tried on predictions from one dense pass (`engine.training.dense_pass`). Of those that no other beats there
in loss and MACs, bisection finds the fastest within each limit with the engine itself, in whatever dtype it has.
"""

import math
import random
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from engine.base import Engine
from engine.cli.progress import Progress
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, AttentionController
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.settings import Setting, settings_of
from engine.training.dense_pass import DensePass
from engine.training.points import Choice, choose
from engine.training.trials import Trial, measure

STEPS = 600  # variations that are tried, after the first settings
NUM_VARIED = 3  # settings within each limit that are varied
SEARCH_SHARE = 0.5  # of the time, by which the search ends
SCALES = tuple(0.54 / 3 ** (step / 2) for step in range(14))  # geometric mean of the thresholds of the first settings
GROWTH = 3.0  # factor by which their thresholds grow from gate to gate
MAX_FRONTIER = 32  # settings among which bisection chooses at most
LOSS_MARGIN = 3  # multiple of the widest limit beyond which a predicted loss is out of the question
MIN_STEP = 0.005  # relative difference in MACs between two of them


def sweep(
    outputs: DensePass, name: str, limits: Mapping[str, float], *, seconds: float = math.inf, seed: int = 0
) -> list[Choice]:
    """Chooses the operating points of a strategy, also from those it has; see `engine.training.points.choose`.

    Args:
        outputs: the dense pass of the engine that measures settings, on the same texts.
        name: ``KIND`` or ``KIND+recovery``.
        limits: operating point → pp of agreement that it may lose.
        seconds: time after which no further setting is tried or measured.
    """
    engine, begin = outputs.engine, time.monotonic()
    tried = search(outputs, name, limits, begin + SEARCH_SHARE * seconds, random.Random(seed))
    near = [trial for trial in tried if trial.loss_bound <= LOSS_MARGIN * max(limits.values()) + 1]
    candidates, measured = frontier(near or tried), dict[Strategy, Trial]()
    # Bisection of 32 settings takes at most 5 steps for each limit.
    most = len(limits) * MAX_FRONTIER.bit_length() * len(outputs.reference.documents)
    with Progress(f"Measure the best settings of {name}", most) as progress:

        def fits(limit: float, candidate: Strategy) -> bool:
            if measured and time.monotonic() > begin + seconds:
                return True
            if candidate not in measured:
                measured[candidate] = measure(engine, outputs.reference, candidate, progress)
            return measured[candidate].eligible and measured[candidate].loss_bound <= limit

        for stored in engine.points.get(name, {}).values():
            strategy = replace(engine.strategy(stored), point="")
            measured[strategy] = measure(engine, outputs.reference, strategy, progress)
        for limit in limits.values():
            bisect_left(candidates, True, key=partial(fits, limit))
    return choose(measured.values(), limits)


def search(outputs: DensePass, name: str, limits: Mapping[str, float], until: float, rng: random.Random) -> list[Trial]:
    """Tries first settings, then variations of the fastest within each limit; returns the predicted trials."""
    kind, layers = name.removesuffix(RECOVERY), outputs.engine.sizes.layers
    tried: dict[Strategy, Trial] = {}

    def base() -> Strategy:
        """One of the fastest settings within some limit, or of those that lose least where none is within it."""
        limit = rng.choice([*limits.values()])
        eligible = [trial for trial in tried.values() if trial.eligible] or [*tried.values()]
        within = sorted((trial for trial in eligible if trial.loss_bound <= limit), key=lambda trial: trial.cost.macs)
        return rng.choice((within or sorted(eligible, key=lambda trial: trial.loss_bound))[:NUM_VARIED]).strategy

    settings = list(first_settings(outputs.engine, kind))
    if name != kind:
        plain = search(outputs, kind, limits, time.monotonic() + (until - time.monotonic()) / 2, rng)
        fastest = [replace(strategy, recovery=Recovery()) for strategy in frontier(plain)]
        settings = [strategy.with_settings(trigger=trigger) for strategy in fastest for trigger in TRIGGERS]
    rng.shuffle(settings)  # time may not suffice for all of them
    with Progress(f"Try {len(settings) + STEPS} settings of {name}", len(settings) + STEPS) as progress:
        for number in range(len(settings) + STEPS):
            setting = settings[number] if number < len(settings) else varied(base(), layers, rng)
            if setting is not None and setting not in tried:
                tried[setting] = outputs.predict(setting)
            progress.advance()
            if time.monotonic() > until:
                break
    return list(tried.values())


def frontier(trials: Iterable[Trial]) -> list[Strategy]:
    """The settings that no other beats in both loss and MACs, the fastest first; at most `MAX_FRONTIER`."""
    eligible, best = (trial for trial in trials if trial.eligible), list[Trial]()
    for trial in sorted(eligible, key=lambda trial: (trial.loss_bound, trial.cost.macs)):
        if not best or trial.cost.macs < (1 - MIN_STEP) * best[-1].cost.macs:
            best.append(trial)
    step = max(1, math.ceil(len(best) / MAX_FRONTIER))
    return [trial.strategy for trial in best[::-1][::step]]


def first_settings(engine: Engine, kind: str) -> Iterator[Strategy]:
    """Settings to begin with: gates at several depths, and the first declared setting over its range."""
    controller = CONTROLLERS[kind]
    driving, *others = settings_of(controller)
    flags = {setting.name: True for setting in others if setting.kind == "flag"}
    for gates in first_gates(engine.sizes.layers):
        base = engine.strategy(Strategy(gates, controller()))
        values: list[Any] = np.linspace(driving.low, driving.high, 9).tolist()
        if driving.kind == "per gate":
            powers = np.arange(len(gates)) - (len(gates) - 1) / 2
            values = [tuple(np.minimum(scale * GROWTH**powers, driving.high).tolist()) for scale in SCALES]
            values += [(*of[:-1], driving.high) for of in values if len(of) > 1]  # every word exits at the last gate
        elif driving.kind == "whole":
            values = sorted({round(value) for value in values})
        for value in values:
            yield base.with_settings(**{driving.name: value})
            if flags:
                yield base.with_settings(**{driving.name: value}, **flags)


def first_gates(layers: int) -> list[tuple[int, ...]]:
    """Two or three gates that begin in the first half of the depth, also with one late gate behind them."""
    step, runs = max(1, layers // 6), list[tuple[int, ...]]()
    for first in range(1, max(1, layers // 2) + 1, step):
        run = tuple(gate for gate in range(first, layers, step))[: 3 if first == 1 else 2]
        runs += [run, *((*run, end) for end in (layers - 2, layers - 1) if run and end > run[-1])]
    return [run for run in dict.fromkeys(runs) if run]


def varied(strategy: Strategy, layers: int, rng: random.Random) -> Strategy | None:
    """Changes one setting at random; returns ``None`` if the result is of no use."""
    settings = [*settings_of(type(strategy.controller)), *(settings_of(Recovery) if strategy.recovery else ())]
    setting = rng.choice([None, *settings])
    try:
        if setting is None:
            return with_other_gates(strategy, layers, rng)
        other = strategy.with_settings(**{setting.name: varied_value(setting, strategy.settings()[setting.name], rng)})
    except InputError:
        return None
    controller = other.controller  # operating points of `attention` are those in which attention has a part
    if isinstance(controller, AttentionController) and controller.focus + controller.received < controller.uncertainty:
        return None
    return other


def with_other_gates(strategy: Strategy, layers: int, rng: random.Random) -> Strategy:
    """Adds or removes one or two gates, or moves one, and interpolates the settings that have a value for each."""
    toggled = rng.choices(range(1, layers), k=rng.choice((1, 2)))
    gates = sorted({*strategy.gates} ^ {*toggled}) or strategy.gates
    per_gate = {
        name: tuple(np.interp(gates, strategy.gates, value).tolist())
        for name, value in strategy.settings().items()
        if name != "gates" and isinstance(value, tuple)
    }
    return strategy.with_settings(gates=gates, **per_gate)


def varied_value(setting: Setting, value: Any, rng: random.Random) -> Any:
    """Changes a setting's value at random, within its range."""

    def clipped(number: float) -> float:
        return min(setting.high, max(setting.low, number))

    match setting.kind:
        case "flag":
            return not value
        case "choice":
            return rng.choice(setting.choices)
        case "per gate":
            values = list(value) if isinstance(value, tuple) else [value]
            factor, at = math.exp(rng.gauss(0, 0.4)), rng.randrange(len(values) + 1)
            if at < len(values):
                values[at] = rng.choice(SCALES) if values[at] >= setting.high else clipped(values[at] * factor)
            elif rng.random() < 0.2:
                values[-1] = setting.high
            else:  # all of them but those that let every word exit
                values = [each if each >= setting.high else clipped(each * factor) for each in values]
            return tuple(values)
        case "whole":
            if setting.high - setting.low > 100:
                return round(clipped(value * rng.choice((0.5, 2))))
            return round(clipped(value + rng.choice((-1, 1))))
        case _:
            return clipped(value + rng.gauss(0, (setting.high - setting.low) / 8))
