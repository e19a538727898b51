"""Strategies and settings that the page offers, as the engine and its controllers describe them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import points_of
from engine.pruning.strategy_names import DENSE, OPERATING_POINTS, StrategyName
from engine.settings import Setting, label_of, settings_of

TRIGGERS = next(setting.choices for setting in settings_of(Recovery) if setting.name == "trigger")
UNPRUNED = {
    "dense": "Every word goes through every layer. The reference.",
    "cascade": "A small model tags every text, and this one reads the windows that the small one doubts.",
    "truncate": "The encoder stops after this layer; that layer's own label head assigns the labels.",
}
MAX_SCALE = 10.0


@dataclass(frozen=True)
class PageSetting:
    """A setting on the page, as a controller of this kind declares it.

    One ``per gate`` scales: on the page it is a factor of the operating point's values.
    """

    kind: str
    declared: Setting

    @property
    def name(self) -> str:
        """Its name in links: ``rule.lambda_``."""
        return f"{self.kind}.{self.declared.name}"

    @property
    def scales(self) -> bool:
        return self.declared.kind == "per gate"

    @property
    def label(self) -> str:
        kind = self.kind[:1].upper() + self.kind[1:]
        return f"{kind} threshold (× the point's)" if self.scales else f"{kind}: {label_of(self.declared.name)}"

    @property
    def range(self) -> tuple[float, float, float]:
        """Lowest and highest value, and the step between values."""
        if self.scales:
            return 0.0, MAX_SCALE, 0.1
        return self.declared.low, self.declared.high, 1 if self.declared.kind == "whole" else 0.01

    def controller_value(self, strategy: Strategy, value: float) -> Any:
        """The controller's value for a value on the page; a threshold at which every word exits does not change."""
        if not self.scales:
            return value
        given, highest = strategy.settings()[self.declared.name], self.declared.high
        thresholds = given if isinstance(given, tuple) else (given,)
        scaled = tuple(at if at == highest else min(at * value, highest) for at in thresholds)
        return scaled if isinstance(given, tuple) else scaled[0]


def page_settings(engine: Engine, point: str | None = None) -> dict[PageSetting, float]:
    """The settings that the page offers for the controllers that this model can run, and their values at a point.

    Thresholds are always offered.
    """
    values = {}
    for kind in engine.runnable:
        for declared in settings_of(CONTROLLERS[kind]) if kind in CONTROLLERS else ():
            setting = PageSetting(kind, declared)
            if setting.scales:
                values[setting] = 1.0
            elif declared.on_page:
                values[setting] = at_point(engine, kind, point).settings()[declared.name]
    return values


def in_page_order(engine: Engine, names: Collection[str]) -> list[str]:
    """These strategies and those that every run has: the full pass and, with gates, stopping at half of the layers."""
    return [name for name in engine.runnable if name in names or name == DENSE or StrategyName.parse(name).layer]


def points(engine: Engine) -> list[str]:
    """The operating points that all strategies with stored operating points have."""
    stored: list[Collection[str]] = [points_of(StrategyName.parse(name), engine.points) for name in engine.points]
    return [point for point in OPERATING_POINTS if stored and all(point in names for names in stored)]


def at_point(engine: Engine, name: str, point: str | None) -> Strategy:
    """The strategy at the page's operating point, which strategies without stored operating points ignore."""
    stored = points_of(StrategyName.parse(name), engine.points)
    return engine.strategy(name, point if stored else None)


@dataclass(frozen=True)
class Chosen:
    """A strategy as chosen on the page.

    ``stored``: the same at its operating point, without changed settings. ``dtype``: the engine's.
    """

    strategy: Strategy
    stored: Strategy
    dtype: str

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def changed(self) -> dict[str, Any]:
        stored = self.stored.settings()
        return {name: value for name, value in self.strategy.settings().items() if value != stored[name]}

    @property
    def label(self) -> str:
        """Its name, stored operating point, dtype and changed settings: ``entropy:fast (int8), λ 1.5``."""
        settings = " · ".join(f"{label_of(name)} {format_value(value)}" for name, value in self.changed.items())
        return f"{self.stored.title} ({self.dtype}){f', {settings}' if settings else ''}"


def chosen_strategy(engine: Engine, name: str, point: str | None, trigger: str | None, *values: float) -> Chosen:
    """A strategy with the page's settings.

    ``trigger``: if empty, the operating point's. ``values``: on the page, in the order of `page_settings`; those of the
    operating point change nothing.
    """
    stored = at_point(engine, name, point)
    changed: dict[str, Any] = {
        setting.declared.name: setting.controller_value(stored, value)
        for (setting, default), value in zip(page_settings(engine, point).items(), values, strict=True)
        if setting.kind == stored.kind and value != default
    }
    if stored.recovery and trigger:
        changed["trigger"] = trigger
    return Chosen(stored.with_settings(**changed), stored, engine.dtype)


def format_value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(format_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("_", " ")


def summarise(strategy: Strategy) -> str:
    """What a strategy does, in one sentence."""
    if strategy.recovery:
        return f"Like {strategy.kind}, but words come back where the result looks doubtful."
    return CONTROLLERS[strategy.kind].description if strategy.prunes else UNPRUNED[strategy.kind]
