"""Strategies and settings that the page offers, as described by the engine and its controllers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.resolve import DEFAULT, OPERATING_POINTS, parse, points_of
from engine.pruning.settings import Setting, label_of, settings_of

SELECTED = ("dense", "entropy")  # when the page opens
TRIGGERS = next(setting.choices for setting in settings_of(Recovery) if setting.name == "trigger")
UNPRUNED = {
    "dense": "Every word goes through every layer. The reference.",
    "hf": "The plain Hugging Face model with the same weights.",
    "truncate": "The encoder stops after this layer; that layer's own label head assigns the labels.",
}


@dataclass(frozen=True)
class Slider:
    """A controller's setting that has a slider on the page."""

    kind: str
    setting: Setting

    @property
    def name(self) -> str:
        """Its name in links: ``rule.lambda_``."""
        return f"{self.kind}.{self.setting.name}"


def points(engine: Engine) -> list[str]:
    """The operating points that every strategy with stored points has."""
    stored = [points_of(parse(name), engine.points) for name in engine.points]
    return [point for point in OPERATING_POINTS if stored and all(point in names for names in stored)]


def own_point(engine: Engine, name: str, point: str | None) -> str | None:
    """The operating point, or none if the strategy has none stored and runs with its defaults."""
    strategy = engine.strategy(name)
    return None if strategy.point == DEFAULT else point


def at_point(engine: Engine, name: str, point: str | None) -> Strategy:
    """The strategy at the page's operating point, if it has any."""
    return engine.strategy(name, own_point(engine, name, point))


def sliders(engine: Engine) -> list[Slider]:
    """A slider for each setting that asks for one, among the controllers that this model can run."""
    return [
        Slider(kind, setting)
        for kind, controller in CONTROLLERS.items()
        if kind in engine.runnable
        for setting in controller.settings()
        if setting.slider
    ]


def default_values(engine: Engine, point: str | None) -> list[float]:
    """The value of each of `sliders` at an operating point."""
    return [at_point(engine, slider.kind, point).settings()[slider.setting.name] for slider in sliders(engine)]


def controlled_by(strategy: Strategy) -> str:
    """The kind of controller whose sliders the strategy uses."""
    return strategy.kind


def strategies_with(engine: Engine, slider: Slider) -> list[str]:
    """Names of the strategies that a slider affects."""
    return [name for name in engine.runnable if controlled_by(engine.strategy(name)) == slider.kind]


def strategies_with_recovery(engine: Engine) -> list[str]:
    """Names of the strategies that can bring words back."""
    return [name for name in engine.runnable if engine.strategy(name).recovery]


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
    kind = controlled_by(strategy)
    changed: dict[str, Any] = {
        slider.setting.name: value
        for slider, value, default in zip(sliders(engine), values, default_values(engine, point), strict=True)
        if slider.kind == kind and value != default
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
    changed = [f"{label_of(name)} {value}" for name, value in changed_settings(engine, strategy, point).items()]
    return " · ".join([default.point] * bool(default.point) + changed)


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
