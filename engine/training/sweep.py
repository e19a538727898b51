"""The sweep for operating points: it tries hundreds of settings of a strategy and measures the dozen that decide.

Settings are tried on predictions from one dense pass (`engine.training.dense_pass`). Of those that no other beats there
in loss and MACs, bisection finds the fastest within each limit with the engine itself, in whatever dtype it has.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.cli.progress import Progress
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, AttentionController
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.settings import Setting, settings_of
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, with_recovery
from engine.tagger import Engine
from engine.training.agreement import Trial, choose, measure
from engine.training.dense_pass import DensePass

STEPS = 600  # variations that are tried, after the first settings
BEST = 3  # settings within each limit that are varied
SEARCH_SHARE = 0.5  # of the time, by which the search ends
SCALES = tuple(0.54 / 3**step for step in range(8))  # geometric mean of the thresholds of the first settings
GROWTH = 2.0  # factor by which their thresholds grow from gate to gate
FRONTIER = 32  # settings among which bisection chooses at most
NEAR = 3  # multiple of the widest limit beyond which a predicted loss is out of the question
MIN_STEP = 0.005  # relative difference in MACs between two of them


def sweep(
    engine: Engine,
    outputs: DensePass,
    name: str,
    limits: Mapping[str, float],
    *,
    stored: Iterable[Strategy] = (),
    seconds: float = math.inf,
    seed: int = 0,
) -> tuple[dict[str, Trial], Trial | None]:
    """Chooses the operating points of a strategy.

    Args:
        engine: measures settings on the texts of ``outputs``.
        name: ``KIND`` or ``KIND+recovery``.
        limits: operating point → pp of agreement that it may lose.
        stored: settings that are measured in any case, such as earlier operating points.
        seconds: time after which no further setting is tried or measured.

    Returns:
        Each operating point that a setting reaches with its trial, and the setting that loses least, if any can be an
        operating point.
    """
    begin = time.monotonic()
    tried = search(engine, outputs, name, limits, begin + SEARCH_SHARE * seconds, random.Random(seed))
    measured: dict[Strategy, Trial] = {}
    # Bisection of 32 settings takes at most 5 steps for each limit.
    most = len(limits) * FRONTIER.bit_length() * len(outputs.reference.documents)
    with Progress(f"Measure the best settings of {name}", most) as progress:

        def trial_of(strategy: Strategy) -> Trial:
            if strategy not in measured:
                measured[strategy] = measure(engine, outputs.reference, strategy, progress)
            return measured[strategy]

        for strategy in stored:
            trial_of(replace(strategy, point=""))
        near = [trial for trial in tried if trial.loss_bound <= NEAR * max(limits.values()) + 1]
        fastest_first = frontier(near or tried)
        for limit in limits.values():
            low, high = 0, len(fastest_first)  # those before `low` lose too much, those from `high` on little enough
            while low < high and (not measured or time.monotonic() < begin + seconds):
                middle = (low + high) // 2
                trial = trial_of(fastest_first[middle].strategy)
                if trial.able and trial.loss_bound <= limit:
                    high = middle
                else:
                    low = middle + 1
    trials = list(measured.values())
    closest = min((trial for trial in trials if trial.able), key=lambda trial: trial.loss_bound, default=None)
    return choose(trials, limits), closest


def search(
    engine: Engine, outputs: DensePass, name: str, limits: Mapping[str, float], until: float, rng: random.Random
) -> list[Trial]:
    """Tries first settings, then variations of the fastest within each limit; returns the predicted trials."""
    kind, layers = name.removesuffix(RECOVERY), engine.sizes.layers
    tried: dict[Strategy, Trial] = {}

    def best() -> list[Strategy]:
        """The fastest settings within some limit, or those that lose least where none is within it."""
        limit = rng.choice(list(limits.values()))
        able = [trial for trial in tried.values() if trial.able] or list(tried.values())
        within = [trial for trial in able if trial.loss_bound <= limit]
        if within:
            return [trial.strategy for trial in sorted(within, key=lambda one: -one.theoretical_speedup)[:BEST]]
        return [trial.strategy for trial in sorted(able, key=lambda one: one.loss_bound)[:BEST]]

    begun = list(first_settings(engine, kind, layers))
    if name != kind:
        plain = search(engine, outputs, kind, limits, time.monotonic() + (until - time.monotonic()) / 2, rng)
        bases = [with_recovery(trial.strategy) for trial in frontier(plain)]
        begun = [changed(base, trigger=trigger) for base in bases for trigger in TRIGGERS]
    rng.shuffle(begun)  # time may not suffice for all of them
    with Progress(f"Try {len(begun) + STEPS} settings of {name}", len(begun) + STEPS) as progress:
        for number in range(len(begun) + STEPS):
            setting = begun[number] if number < len(begun) else varied(rng.choice(best()), layers, rng)
            if setting is not None and setting not in tried:
                tried[setting] = outputs.predict(setting)
            progress.advance()
            if time.monotonic() > until:
                break
    return list(tried.values())


def frontier(trials: Iterable[Trial]) -> list[Trial]:
    """The settings that no other beats in both loss and MACs, the fastest first; at most `FRONTIER`."""
    best: list[Trial] = []
    for trial in sorted(
        (one for one in trials if one.able), key=lambda one: (one.loss_bound, -one.theoretical_speedup)
    ):
        if not best or trial.theoretical_speedup > (1 + MIN_STEP) * best[-1].theoretical_speedup:
            best.append(trial)
    step = max(1, -(-len(best) // FRONTIER))
    return best[::-1][::step]


def first_settings(engine: Engine, kind: str, layers: int) -> Iterator[Strategy]:
    """Settings to begin with: gates at several depths, and the first declared setting over its range."""
    controller = CONTROLLERS[kind]
    driving = controller.settings()[0]
    flags = {setting.name: True for setting in controller.settings() if setting.kind == "flag"}
    for gates in first_gates(layers):
        base = engine.strategy(Strategy(kind, gates, controller()))
        values: list[Any] = np.linspace(driving.low, driving.high, 9).tolist()
        if driving.kind == "per gate":
            middle = (len(gates) - 1) / 2
            grown = ([scale * GROWTH ** (at - middle) for at in range(len(gates))] for scale in SCALES)
            values = [tuple(min(driving.high, value) for value in of) for of in grown]
            values += [(*of[:-1], driving.high) for of in values if len(of) > 1]  # every word exits at the last gate
        elif driving.kind == "whole":
            values = sorted({round(value) for value in values})
        for value in values:
            yield changed(base, **{driving.name: value})
            if flags:
                yield changed(base, **{driving.name: value}, **flags)


def first_gates(layers: int) -> list[tuple[int, ...]]:
    """Two or three gates that begin in the first half of the depth, also with one late gate behind them."""
    step, runs = max(1, layers // 6), list[tuple[int, ...]]()
    for first in range(1, max(1, layers // 2) + 1, step):
        run = tuple(gate for gate in range(first, layers, step))[: 3 if first == 1 else 2]
        runs += [run, *((*run, end) for end in (layers - 2, layers - 1) if run and end > run[-1])]
    return [run for run in dict.fromkeys(runs) if run]


def varied(strategy: Strategy, layers: int, rng: random.Random) -> Strategy | None:
    """Changes one setting at random; returns ``None`` if the result is of no use."""
    settings: list[Setting | None] = [None, *settings_of(type(strategy.controller))]  # ``None``: the gates
    if strategy.recovery is not None:
        settings += settings_of(Recovery)
    setting = rng.choice(settings)
    try:
        if setting is None:
            return with_gates(strategy, varied_gates(strategy.gates, layers, rng))
        other = changed(strategy, **{setting.name: varied_value(setting, strategy.settings()[setting.name], rng)})
    except InputError:
        return None
    controller = other.controller  # operating points of `attention` are those in which attention has a part
    if isinstance(controller, AttentionController) and controller.focus + controller.received < controller.uncertainty:
        return None
    return other


def varied_gates(gates: tuple[int, ...], layers: int, rng: random.Random) -> tuple[int, ...]:
    """Adds, removes or moves a gate."""
    given, free = set(gates), sorted({*range(1, layers)} - {*gates})
    move = rng.choice(("add", "remove", "move"))
    if move != "add" and (len(given) > 1 or move == "move"):
        given.remove(rng.choice(gates))
    if move != "remove" and free:
        given.add(rng.choice(free))
    return tuple(sorted(given)) or gates


def with_gates(strategy: Strategy, gates: tuple[int, ...]) -> Strategy:
    """Changes gates and interpolates the settings that have a value for each."""
    per_gate = {
        name: tuple(np.interp(gates, strategy.gates, value).tolist())
        for name, value in strategy.settings().items()
        if name != "gates" and isinstance(value, tuple)
    }
    return changed(strategy, gates=gates, **per_gate)


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


def changed(strategy: Strategy, **settings: Any) -> Strategy:
    """Returns the strategy with some settings changed, and without an operating point."""
    return replace(strategy.with_settings(**settings), point="")
