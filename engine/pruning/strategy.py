"""A strategy: gates, exit policy and recovery, with conversion to and from JSON."""

import operator
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, Self

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.policies import ExitPolicy, Truncation
from engine.pruning.recovery import Recovery
from engine.pruning.strategy_names import CASCADE, DENSE, OPERATING_POINTS, TRUNCATE, StrategyName
from engine.settings import from_values, to_values, values_of

BALANCED = "balanced"  # the operating point if none is named


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder."""

    gates: tuple[int, ...] = ()  # layers after which words may exit, ascending
    controller: ExitPolicy | None = None  # decides at the gates; None without gates
    point: str = ""  # the stored operating point that has these settings, if any
    recovery: Recovery | None = None  # decides when and which words come back; None for never

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", _parse_gates(self.gates))
        if bool(self.gates) != (self.controller is not None):
            raise InputError(f"Gates need a controller, and a controller needs gates: {self}.")

    @property
    def kind(self) -> str:
        """``dense``, ``truncate``, or the kind of its controller."""
        return DENSE if self.controller is None else self.controller.kind

    @property
    def name(self) -> str:
        """Its name without operating point, e.g. ``entropy+recovery`` or ``truncate-3``."""
        return self._name.without_point

    @property
    def title(self) -> str:
        """Its name with its operating point, if it has one: ``entropy:fast``."""
        return str(self._name)

    @property
    def _name(self) -> StrategyName:
        layer = self.gates[0] if self.kind == TRUNCATE else 0
        return StrategyName(self.kind, self.recovery is not None, layer, self.point)

    @property
    def stages(self) -> "tuple[Strategy, ...]":
        """The strategy of each stage of the tagger that runs it, in order."""
        return (self,)

    @property
    def prunes(self) -> bool:
        """Whether its controller chooses words, so that it has settings and may have operating points and recovery."""
        return isinstance(self.controller, Controller)

    def settings(self) -> dict[str, Any]:
        """Names and values of the settings that `with_settings` can change."""
        if not self.prunes:
            return {}
        return {"gates": self.gates} | values_of(self.controller) | (values_of(self.recovery) if self.recovery else {})

    def with_settings(self, **settings: Any) -> Self:
        """Returns the strategy with some settings changed; it is then at no operating point.

        Raises an `InputError` if a setting is unknown or a value out of range.
        """
        if unknown := set(settings) - set(self.settings()):
            known, others = (
                ", ".join(name.rstrip("_") for name in sorted(names)) for names in (self.settings(), unknown)
            )
            raise InputError(f"{self.name} has no setting {others}. Its settings: {known or 'none'}.")
        if not settings:
            return self

        def changed(part: Any) -> Any:
            return part and replace(part, **{name: settings[name] for name in values_of(part) if name in settings})

        parts = {"controller": changed(self.controller), "recovery": changed(self.recovery)}
        new = replace(changed(self), gates=settings.get("gates", self.gates), **parts)
        return new if new == self else replace(new, point="")

    def to_json(self) -> dict[str, Any]:
        """Converts the strategy to a JSON object; see `Setting` for the names."""
        stored: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates)}
        if self.controller is not None:
            stored["controller"] = {"kind": self.controller.kind} | (to_values(self.controller) if self.prunes else {})
        if self.recovery is not None:
            stored["recovery"] = to_values(self.recovery)
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Builds the strategy from an object that `to_json` made.

        Raises an `InputError` if the object is malformed or has an unknown controller or setting.
        """
        if not isinstance(stored, Mapping) or not isinstance(stored.get("name"), str):
            raise InputError(f"A strategy is an object with a name, not {stored!r}.")
        controller, recovery = (stored.get(name) or {} for name in ("controller", "recovery"))
        if not (isinstance(controller, Mapping) and isinstance(recovery, Mapping)):
            raise InputError(f"Controller and recovery of a strategy must be objects: {stored!r}.")
        known = {field.name for field in fields(cls)}
        if unknown := stored.keys() - known - {"name"}:
            raise InputError(f"A strategy has no entry {', '.join(sorted(unknown))}, only {', '.join(sorted(known))}.")
        parts: dict[str, Any] = {
            "controller": _controller_from_json(controller) if controller else None,
            "recovery": from_values(Recovery, "recovery", recovery) if recovery else None,
        }
        return cls(**{name: value for name, value in stored.items() if name != "name"} | parts)


def _controller_from_json(settings: Mapping[str, Any]) -> ExitPolicy:
    kind = settings.get("kind")
    if kind == Truncation.kind:
        return Truncation()
    if not isinstance(kind, str) or kind not in CONTROLLERS:
        raise InputError(f"There is no controller {kind!r}, only {', '.join(CONTROLLERS)}.")
    return from_values(CONTROLLERS[kind], kind, {name: value for name, value in settings.items() if name != "kind"})


def _parse_gates(gates: Any) -> tuple[int, ...]:
    """Converts gates to Python integers; raises an `InputError` unless they are ascending whole numbers from 1."""
    try:
        given = tuple(gates) if isinstance(gates, Iterable) else (gates,)
        numbers = tuple(operator.index(gate) for gate in given)
        if any(isinstance(gate, bool) for gate in given) or [0, *numbers] != sorted({0, *numbers}):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"Gates must be ascending whole numbers from 1, not {gates!r}.") from None
    return numbers


# Name of a strategy without operating point → operating point → its settings.
Points = Mapping[str, Mapping[str, Strategy]]


def resolve(name: StrategyName, layers: int, points: Points) -> Strategy:
    """Builds the strategy with this name from the operating points stored with an encoder's weights.

    Without an operating point in the name it is at ``balanced`` or, if that is not stored, at the first one. Strategies
    without operating points ignore it.

    Raises an `InputError` if the operating point is unknown, or ``truncate-k`` exceeds the encoder's layers.
    """
    point = name.point
    if name.kind in (DENSE, TRUNCATE):
        if point not in ("", *OPERATING_POINTS, *chain(*points.values())):
            raise InputError(f"There is no operating point {point!r}, only {', '.join(OPERATING_POINTS)}.")
        if name.kind == DENSE:
            return Strategy()
        if not 1 <= name.layer < layers:
            raise InputError(f"{name.without_point} is out of range: of {layers} layers, K can be 1 to {layers - 1}.")
        return Strategy((name.layer,), Truncation())
    recovery = Recovery() if name.recovers else None
    stored = points_of(name, points)
    if not stored:
        if point not in ("", BALANCED) or name.kind == CASCADE:
            raise InputError(
                f"The model stores no operating points of {name.without_point}{f', so no {point!r}' if point else ''}."
            )
        gates = range(max(1, layers // 3), max(2, layers // 3 * 2 + 1))  # one after each layer of the second third
        return Strategy(tuple(gates), CONTROLLERS[name.kind](), recovery=recovery)
    point = point or default_point(stored)
    if point not in stored:
        raise InputError(f"{name.without_point} has no operating point {point!r}, only {', '.join(stored)}.")
    strategy = stored[point]
    return replace(strategy, point=point, recovery=strategy.recovery or recovery)


def points_of(name: StrategyName, points: Points) -> dict[str, Strategy]:
    """Maps each operating point of a strategy to its settings.

    With recovery, operating points that are not stored for it come from the strategy without recovery.
    """
    return {**points.get(name.kind, {}), **points.get(name.without_point, {})}


def default_point(stored: Collection[str]) -> str:
    """Returns ``balanced`` or, if that is not stored, the first operating point, which is the most cautious."""
    return BALANCED if BALANCED in stored else next(iter(stored))
