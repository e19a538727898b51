"""A strategy: gates, controller and recovery, with conversion to and from JSON."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Controller, Decider
from engine.pruning.gate import MIN_EXIT_RATIO
from engine.pruning.recovery import Recovery
from engine.settings import from_values, to_values, values_of

# What version 0.3 stored of every strategy and of the controller `rule`, with the only values that are still run.
GONE = {"context": "drop", "min_exit_ratio": MIN_EXIT_RATIO}
GONE_OF_RULE = {"uncertainty": 1, "received": 0, "entropy": 0}


@dataclass(frozen=True)
class Truncation(Decider):
    """Lets every word exit, so that the encoder ends at the gate."""

    kind = "truncate"

    def ends(self, index: int) -> bool:
        return True


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder."""

    name: str  # as typed, e.g. dense, rule, entropy:fast, entropy+recovery, truncate-3
    gates: tuple[int, ...] = ()  # layers after which words may exit, ascending
    controller: Decider | None = None  # decides at the gates; None without gates
    point: str = ""  # the operating point that the settings come from, if any
    recovery: Recovery | None = None  # decides when and which words come back; None for never

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", _parse_gates(self.gates))
        if bool(self.gates) != (self.controller is not None):
            raise InputError(f"expected gates together with a controller, got {self}; give both or neither")

    @property
    def kind(self) -> str:
        """``dense``, ``truncate``, or the kind of its controller."""
        return "dense" if self.controller is None else self.controller.kind

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
        """Returns the strategy with some settings changed; its operating point becomes ``custom``.

        Raises an `InputError` if a setting is unknown or a value out of range.
        """
        if unknown := set(settings) - set(self.settings()):
            raise InputError(
                f"expected one of {self.name}'s settings {sorted(self.settings())}, got {sorted(unknown)}; leave it out"
            )
        if not settings:
            return self

        def changed(part: Any) -> Any:
            return part and replace(part, **{name: settings[name] for name in values_of(part) if name in settings})

        parts = {"controller": changed(self.controller), "recovery": changed(self.recovery)}
        new = replace(changed(self), gates=settings.get("gates", self.gates), **parts)
        return new if new == self else replace(new, point="custom")

    def to_json(self) -> dict[str, Any]:
        """Converts the strategy to a JSON object; see `Setting` for the names."""
        record: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates)}
        if self.controller is not None:
            record["controller"] = {"kind": self.controller.kind} | (to_values(self.controller) if self.prunes else {})
        if self.recovery is not None:
            record["recovery"] = to_values(self.recovery)
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Builds the strategy from an object that `to_json` made.

        Raises an `InputError` if the object is malformed or has an unknown controller or setting.
        """
        if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
            raise InputError(f"expected the settings of a strategy with its name, got {record!r}; fix them")
        record = _without(GONE, record)
        controller, recovery = (record.get(name) or {} for name in ("controller", "recovery"))
        if not (isinstance(controller, Mapping) and isinstance(recovery, Mapping)):
            raise InputError(f"expected controller and recovery as objects, got {record!r}; fix them")
        known = {field.name for field in fields(cls)}
        if unknown := record.keys() - known:
            raise InputError(
                f"expected only the settings {sorted(known)} of a strategy, got {sorted(unknown)}; remove them"
            )
        parts: dict[str, Any] = {
            "controller": _controller_from_json(controller) if controller else None,
            "recovery": from_values(Recovery, "recovery", recovery) if recovery else None,
        }
        return cls(**{**record, **parts})


def _without(gone: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what only earlier versions stored; raises an `InputError` if it changes what is computed."""
    for name, value in gone.items():
        if (stored := settings.get(name, value)) != value:
            raise InputError(
                f"expected settings of this version, got {name}={stored!r}, which is not supported; choose others"
            )
    return {name: value for name, value in settings.items() if name not in gone}


def _controller_from_json(settings: Mapping[str, Any]) -> Decider:
    kind = settings.get("kind")
    if kind == Truncation.kind:
        return Truncation()
    if not isinstance(kind, str) or kind not in CONTROLLERS:
        raise InputError(f"expected one of the controllers {sorted(CONTROLLERS)}, got {kind!r}; choose another")
    own = {name: value for name, value in settings.items() if name != "kind"}
    return from_values(CONTROLLERS[kind], kind, _without(GONE_OF_RULE, own) if kind == "rule" else own)


def _parse_gates(gates: Any) -> tuple[int, ...]:
    """Converts gates to Python integers; raises an `InputError` unless they are ascending whole numbers from 1."""
    try:
        given = tuple(gates) if isinstance(gates, Iterable) else (gates,)
        numbers = tuple(operator.index(gate) for gate in given)
        if any(isinstance(gate, bool) for gate in given) or [0, *numbers] != sorted({0, *numbers}):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            f"expected ascending whole numbers from 1 as gates, got {gates!r}; write e.g. (1, 2)"
        ) from None
    return numbers
