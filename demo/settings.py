"""Strategies and settings that the page offers, as described by the engine and its controllers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.settings import Setting, label_of, settings_of
from engine.pruning.strategy_names import DEFAULT, OPERATING_POINTS, parse, points_of

GONE = ("hf", "random")  # strategies that links of earlier versions may name
SELECTED = ("dense", "entropy")  # when the page opens, unless a report recommends another
TRIGGERS = next(setting.choices for setting in settings_of(Recovery) if setting.name == "trigger")
UNPRUNED = {
    "dense": "Every word goes through every layer. The reference.",
    "truncate": "The encoder stops after this layer; that layer's own label head assigns the labels.",
}
MOST_CERTAIN = 10.0  # times the thresholds of an operating point


@dataclass(frozen=True)
class Slider:
    """A controller's setting that has a slider on the page.

    A setting ``per gate`` has a slider by which all gates' values are multiplied.
    """

    kind: str
    setting: Setting

    @property
    def name(self) -> str:
        """Its name in links: ``rule.lambda_``."""
        return f"{self.kind}.{self.setting.name}"

    @property
    def scales(self) -> bool:
        """Whether it multiplies the operating point's values."""
        return self.setting.kind == "per gate"

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.kind}: {self.setting.label}" + (", times the operating point's" if self.scales else "")

    @property
    def range(self) -> tuple[float, float, float]:
        """Lowest and highest value, and the step between values."""
        if self.scales:
            return 0.0, MOST_CERTAIN, 0.1
        return self.setting.low, self.setting.high, 1 if self.setting.kind == "whole" else 0.01

    def value_of(self, strategy: Strategy) -> float:
        """Its value at the settings of a strategy."""
        value: float = 1.0 if self.scales else strategy.settings()[self.setting.name]
        return value

    def applied(self, strategy: Strategy, value: float) -> Any:
        """The value of the setting; a threshold of 1, at which every word exits, stays."""
        if not self.scales:
            return value
        given = strategy.settings()[self.setting.name]
        each = given if isinstance(given, tuple) else (given,)
        scaled = tuple(one if one == self.setting.high else min(one * value, self.setting.high) for one in each)
        return scaled if isinstance(given, tuple) else scaled[0]


def points(engine: Engine) -> list[str]:
    """The operating points that every strategy with stored points has."""
    stored = [points_of(parse(name), engine.points) for name in engine.points]
    return [point for point in OPERATING_POINTS if stored and all(point in names for names in stored)]


def own_point(engine: Engine, name: str, point: str | None) -> str | None:
    """The operating point, or none if the strategy has none."""
    return point if has_points(engine, [name]) else None


def at_point(engine: Engine, name: str, point: str | None) -> Strategy:
    """The strategy at the page's operating point, if it has any."""
    return engine.strategy(name, own_point(engine, name, point))


def sliders(engine: Engine) -> list[Slider]:
    """A slider for each setting that asks for one and for thresholds, among the controllers that this model can run."""
    return [
        Slider(kind, setting)
        for kind, controller in CONTROLLERS.items()
        if kind in engine.runnable
        for setting in controller.settings()
        if setting.slider or setting.kind == "per gate"
    ]


def default_values(engine: Engine, point: str | None) -> list[float]:
    """The value of each of `sliders` at an operating point."""
    return [slider.value_of(at_point(engine, slider.kind, point)) for slider in sliders(engine)]


def has_points(engine: Engine, names: Sequence[str]) -> bool:
    """Whether an operating point changes any of these strategies."""
    return any(engine.strategy(name).point not in ("", DEFAULT) for name in names)


def recovers(engine: Engine, names: Sequence[str]) -> bool:
    """Whether any of these strategies can bring words back."""
    return any(engine.strategy(name).recovery for name in names)


def is_used(engine: Engine, slider: Slider, names: Sequence[str]) -> bool:
    """Whether a slider affects any of these strategies."""
    return any(engine.strategy(name).kind == slider.kind for name in names)


def chosen_strategy(engine: Engine, name: str, point: str | None, trigger: str | None, *values: float) -> Strategy:
    """A strategy with the page's settings.

    Args:
        engine: runs it.
        name: one of ``engine.runnable``.
        point: operating point, for strategies that have one.
        trigger: recovery trigger; if empty, the operating point's.
        values: slider values, in the order of `sliders`; a value equal to the operating point's changes nothing.
    """
    strategy = at_point(engine, name, point)
    changed: dict[str, Any] = {
        slider.setting.name: slider.applied(strategy, value)
        for slider, value, default in zip(sliders(engine), values, default_values(engine, point), strict=True)
        if slider.kind == strategy.kind and value != default
    }
    if strategy.recovery and trigger:
        changed["trigger"] = trigger
    return strategy.with_settings(**changed)


def chosen_strategies(engine: Engine, names: Sequence[str], *settings: Any) -> list[Strategy]:
    """`chosen_strategy` for each of several names."""
    return [chosen_strategy(engine, name, *settings) for name in names]


def changed_settings(engine: Engine, strategy: Strategy, point: str | None) -> dict[str, Any]:
    """The settings of a strategy that differ from its operating point."""
    defaults = at_point(engine, strategy.name, point).settings()
    return {name: value for name, value in strategy.settings().items() if value != defaults[name]}


def describe_settings(engine: Engine, strategy: Strategy, point: str | None) -> str:
    """A strategy's operating point and the settings that differ from it; empty if it has neither."""
    default = at_point(engine, strategy.name, point)
    changed = [
        f"{label_of(name)} {_in_words(value)}" for name, value in changed_settings(engine, strategy, point).items()
    ]
    return " · ".join([default.point] * bool(default.point) + changed)


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def name_with_settings(engine: Engine, strategy: Strategy, point: str | None) -> str:
    """A strategy's name, followed by `describe_settings` in brackets if it is not empty."""
    settings = describe_settings(engine, strategy, point)
    return f"{strategy.name} ({settings})" if settings else strategy.name


def does(strategy: Strategy) -> str:
    """What a strategy does, in one sentence."""
    if strategy.recovery:
        return f"Like {strategy.kind}, but words come back where the result looks doubtful."
    return CONTROLLERS[strategy.kind].description if strategy.prunes else UNPRUNED[strategy.kind]


def describe(strategy: Strategy) -> str:
    """What a strategy does, when words come back, and where its gates are."""
    parts = [does(strategy)]
    if strategy.recovery:
        parts.append(f"Trigger: {strategy.recovery.trigger}.")
    if strategy.gates:
        parts.append(f"Gates after layers {', '.join(map(str, strategy.gates))}.")
    return " ".join(parts)
