"""A strategy: gates, controller and recovery, with conversion to and from JSON."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Controller, Decider, RuleController
from engine.pruning.gate import Decision, GateView
from engine.pruning.recovery import Recovery
from engine.pruning.settings import check_settings, from_values, setting, to_values, values_of

# What files of earlier versions may say: rows of words that exited are removed, and, of `rule`, attention has no weight
# in importance. Both always hold now.
DROP = "drop"
WEIGHTS = {"uncertainty": 1, "received": 0, "entropy": 0}


class GoneError(InputError):
    """Settings name something that only earlier versions had: ``what``."""

    def __init__(self, what: str) -> None:
        super().__init__(f"expected settings of this version, got {what}, which is no longer supported; choose others")
        self.what = what


@dataclass(frozen=True)
class Truncation(Decider):
    """Lets every word exit, so that the encoder ends at the gate, and nothing has to be composed."""

    kind = "truncate"

    @property
    def form(self) -> tuple[Any, ...]:
        """The kind alone."""
        return (self.kind,)

    def ends(self, index: int) -> bool:
        """Always."""
        return True

    def __call__(self, gate: GateView) -> Decision:
        return Decision(gate.alive, np.zeros(len(gate.words)))


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder.

    Args:
        name: name as typed, e.g. ``dense``, ``rule``, ``entropy:fast``, ``entropy+recovery``, ``truncate-3``.
        gates: layers after which words may exit, ascending.
        controller: decides at the gates; ``None`` without gates.
        point: the operating point that the settings come from; ``""`` if there is none.
        min_exit_ratio: share of a window's words, 0–1, that the controller must select for exit at a gate. If it
            selects fewer, and words would remain, none exits, because removing rows would cost more than it saves.
        recovery: decides when and which words come back; ``None`` for never.
    """

    name: str
    gates: tuple[int, ...] = ()
    controller: Decider | None = None
    point: str = ""
    min_exit_ratio: float = setting(0.1, "share of a window's words that must want to exit, or none exits")
    recovery: Recovery | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", _parse_gates(self.gates))
        if bool(self.gates) != (self.controller is not None):
            raise InputError(f"expected gates together with a controller, got {self}; give both or neither")
        check_settings(self)

    @property
    def kind(self) -> str:
        """``dense``, ``truncate``, or the kind of its controller."""
        return "dense" if self.controller is None else self.controller.kind

    @property
    def prunes(self) -> bool:
        """Whether its controller chooses words, so that it has settings and may have operating points and recovery."""
        return isinstance(self.controller, Controller)

    def settings(self) -> dict[str, Any]:
        """Names and values of the settings that `with_settings` can change."""
        if not self.prunes:
            return {}
        own = {"gates": self.gates} | values_of(self)
        return own | values_of(self.controller) | (values_of(self.recovery) if self.recovery else {})

    def with_settings(self, **settings: Any) -> Strategy:
        """Returns the strategy with some settings changed; its operating point becomes ``custom``.

        Raises:
            InputError: if a setting is unknown or a value out of range.
        """
        if unknown := set(settings) - set(self.settings()):
            raise InputError(
                f"expected one of {self.name}'s settings {sorted(self.settings())}, got {sorted(unknown)}; leave it out"
            )
        if not settings:
            return self

        def changed(part: Any) -> Any:
            taken = {name: settings[name] for name in values_of(part) if name in settings}
            return replace(part, **taken)

        new = replace(
            changed(self),
            gates=settings.get("gates", self.gates),
            controller=self.controller and changed(self.controller),
            recovery=self.recovery and changed(self.recovery),
        )
        return new if new == self else replace(new, point="custom")

    def to_json(self) -> dict[str, Any]:
        """Converts the strategy to a JSON object; see `Setting` for the names."""
        record: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates)}
        if self.gates:
            record["min_exit_ratio"] = self.min_exit_ratio
        if self.controller is not None:
            record["controller"] = {"kind": self.controller.kind} | (to_values(self.controller) if self.prunes else {})
        if self.recovery is not None:
            record["recovery"] = to_values(self.recovery)
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Strategy:
        """Builds the strategy from an object that `to_json` made.

        Raises:
            InputError: if the object is malformed or has an unknown controller or setting.
        """
        known = {one.name for one in fields(cls)}
        if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
            raise InputError(f"expected the settings of a strategy with its name, got {record!r}; fix them")
        record = dict(record)
        if (context := record.pop("context", DROP)) != DROP:
            raise GoneError(f"the context {context!r}")
        controller, recovery = (record.get(name) or {} for name in ("controller", "recovery"))
        if not (isinstance(controller, Mapping) and isinstance(recovery, Mapping)):
            raise InputError(f"expected controller and recovery as objects, got {record!r}; fix them")
        if unknown := record.keys() - known:
            raise InputError(
                f"expected only the settings {sorted(known)} of a strategy, got {sorted(unknown)}; remove them"
            )
        parts: dict[str, Any] = {
            "controller": _controller_from_json(dict(controller)) if controller else None,
            "recovery": from_values(Recovery, "recovery", recovery) if recovery else None,
        }
        return cls(**{**record, **parts})


def _controller_from_json(settings: dict[str, Any]) -> Decider:
    kind = settings.pop("kind", None)
    if kind == RuleController.kind:
        weights = {name: settings.pop(name, weight) for name, weight in WEIGHTS.items()}
        if weights != WEIGHTS:
            raise GoneError("weights of attention in importance")
    if kind == Truncation.kind:
        return Truncation()
    if not isinstance(kind, str) or kind not in CONTROLLERS:
        raise InputError(f"expected one of the controllers {sorted(CONTROLLERS)}, got {kind!r}; choose another")
    return from_values(CONTROLLERS[kind], kind, settings)


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
