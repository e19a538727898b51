"""Strategies and settings that the page offers, as the engine and its controllers describe them, with plain names."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import points_of
from engine.pruning.strategy_names import DENSE, OPERATING_POINTS, StrategyName
from engine.settings import Setting, label_of, settings_of

TRIGGERS = next(setting.choices for setting in settings_of(Recovery) if setting.name == "trigger")
NAMES = {  # and what words do, by kind
    "dense": ("All layers", "every word runs through the whole network"),
    "truncate": ("Stop at layer {}", "all words alike"),
    "entropy": ("Early exit", "a word leaves once its label is certain"),
    "rule": ("By rule", "the most certain words of a passage leave"),
    "attention": ("By attention", "words leave that few others look at"),
    "mlp": ("Learned", "a small network tells which labels will not change"),
    "mlp-attention": ("Learned, with attention", "that network also sees who looks at whom"),
    "cascade": ("Small model first", "the large one reads what the small one doubts"),
}
LABELS = {"min_keep_ratio": "minimum share", "max_entropy": "threshold", "max_risk": "threshold"}
Values = Mapping[str, float]  # of settings on the page, by name
MAX_COLUMNS = 4
MAX_SCALE = 10.0


def plain_name(name: str) -> str:
    """What the page calls a strategy: ``Early exit``, ``Stop at layer 3``, ``By rule with recovery``."""
    parsed = StrategyName.parse(name)
    plain = NAMES.get(parsed.kind, (parsed.kind.capitalize(),))[0].format(parsed.layer)
    return f"{plain} with recovery" if parsed.recovers else plain


def explained(name: str) -> str:
    """What a strategy does, in half a sentence."""
    parsed = StrategyName.parse(name)
    if parsed.recovers:
        return "doubtful words come back"
    return NAMES[parsed.kind][1] if parsed.kind in NAMES else CONTROLLERS[parsed.kind].description


def short_label(name: str) -> str:
    """What the page calls a setting."""
    return LABELS.get(name, label_of(name))


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
        return f"{plain_name(self.kind)}: {short_label(self.declared.name)}"

    @property
    def info(self) -> str:
        """What it does, in a sentence."""
        if self.scales:
            return "How unsure a word may be and still exit; 1 = preset."
        if self.declared.name == "min_keep_ratio":
            return "At least this share of words runs to the end."
        return f"{self.declared.description[:1].upper()}{self.declared.description[1:]}."

    @property
    def range(self) -> tuple[float, float, float]:
        """Lowest and highest value, and the step between values."""
        if self.scales:
            return 0.0, MAX_SCALE, 0.1
        return self.declared.low, self.declared.high, 1 if self.declared.kind == "whole" else 0.01

    def clamp(self, value: float | None) -> float:
        """The nearest value in the range; the lowest if none is given."""
        low, high, _ = self.range
        return low if value is None else min(max(value, low), high)

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


def offered(engine: Engine) -> list[str]:
    """The strategies in the order of the page: the full pass, the default, stopping at a layer, and the others."""
    first = [DENSE, engine.default_strategy, *(name for name in engine.runnable if StrategyName.parse(name).layer)]
    rest = sorted(engine.runnable, key=lambda name: StrategyName.parse(name).recovers)
    return [name for name in dict.fromkeys([*first, *rest]) if name in engine.runnable]


def points(engine: Engine) -> list[str]:
    """The operating points that all strategies with stored operating points have."""
    stored: list[Collection[str]] = [points_of(StrategyName.parse(name), engine.points) for name in engine.points]
    return [point for point in OPERATING_POINTS if stored and all(point in names for names in stored)]


def at_point(engine: Engine, name: str, point: str | None) -> Strategy:
    """The strategy at the page's operating point, which strategies without stored operating points ignore."""
    stored = points_of(StrategyName.parse(name), engine.points)
    return engine.strategy(name, point if stored else None)


@dataclass(frozen=True)
class Selection:
    """A strategy as chosen on the page; ``stored`` is the same at its operating point, without changed settings."""

    strategy: Strategy
    stored: Strategy

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def changed(self) -> dict[str, Any]:
        stored = self.stored.settings()
        return {name: value for name, value in self.strategy.settings().items() if value != stored[name]}

    @property
    def title(self) -> str:
        """Its plain name with its operating point and changed settings: ``Early exit (balanced, threshold × 1.3)``."""
        before = self.stored.settings()
        changed = [f"{short_label(name)} {format_value(value, before[name])}" for name, value in self.changed.items()]
        details = ", ".join([*filter(None, [self.stored.point]), *changed])
        return f"{plain_name(self.name)} ({details})" if details else plain_name(self.name)


def select_strategy(
    engine: Engine, name: str, point: str | None = None, trigger: str | None = None, values: Values | None = None
) -> Selection:
    """A strategy with the page's settings.

    Args:
        trigger: if empty, the operating point's.
        values: of `page_settings`, by name; others are those of the operating point.
    """
    stored, given = at_point(engine, name, point), values or {}
    changed: dict[str, Any] = {
        setting.declared.name: setting.controller_value(stored, given[setting.name])
        for setting in page_settings(engine, point)
        if setting.kind == stored.kind and setting.name in given
    }
    if stored.recovery and trigger:
        changed["trigger"] = trigger
    return Selection(stored.with_settings(**changed), stored)


def format_value(value: Any, before: Any) -> str:
    """A changed value; of several, as on the page, the first one's factor."""
    if isinstance(value, tuple):
        return f"× {value[0] / before[0]:.3g}" if before[0] else ", ".join(f"{number:.3g}" for number in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("_", " ")
