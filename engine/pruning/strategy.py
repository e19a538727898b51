"""A strategy: gates, controller, context mode and recovery. Frozen, validated once, JSON round trip."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.gate import Decision, Gate
from engine.pruning.recovery import Recovery
from engine.pruning.settings import check_settings, from_values, setting, values_of

Context = Literal["drop", "freeze"]


@dataclass(frozen=True)
class Truncation:
    """Every word exits: the encoder ends at the gate."""

    kind: ClassVar[str] = "truncate"
    uses_attention: ClassVar[bool] = False

    def __call__(self, gate: Gate) -> Decision:
        return Decision(gate.alive, np.zeros(len(gate.words)))


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder.

    Args:
        name: as typed: ``dense``, ``hf``, ``rule``, ``entropy:fast``, ``entropy+recovery``, ``random@rule``,
            ``truncate-3``.
        gates: layers after which words may exit, ascending.
        controller: what decides at the gates; ``None`` without gates and for ``random``.
        point: the operating point that the settings come from, ``""`` if none.
        context: ``drop``: the rows of words that exited are gone; ``freeze``: they stay visible as keys and values.
        min_exit_ratio: share of a window's words that must want to exit at a gate, 0–1; if fewer do, and they are not
            all that remain, none leaves there: a gate's fixed cost would exceed the gain.
        recovery: when and which words come back; ``None``: never.
        replays: for ``random``: the strategy whose counts of exiting words it replays.
        seed: for ``random``: seeds the choice of words, which otherwise depends only on the window's text.
    """

    name: str
    gates: tuple[int, ...] = ()
    controller: Controller | Truncation | None = None
    point: str = ""
    context: Context = "drop"
    min_exit_ratio: float = setting(0.1, "share of a window's words that must want to exit, or none exits")
    recovery: Recovery | None = None
    replays: Strategy | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.context not in get_args(Context):
            raise InputError(f"expected a context out of {get_args(Context)}, got {self.context!r}; choose one of them")
        object.__setattr__(self, "gates", _layers(self.gates))
        if bool(self.gates) != (self.controller is not None or self.replays is not None):
            raise InputError(f"expected gates together with a controller, got {self}; give both or neither")
        if self.replays is not None and self.replays.replays is not None:
            raise InputError(f"expected a strategy to replay, got {self.replays.name!r}; replay what that one replays")
        if not isinstance(self.seed, int):
            raise InputError(f"expected a whole number as seed, got {self.seed!r}; choose one")
        check_settings(self)

    @classmethod
    def random(cls, name: str, replays: Strategy, seed: int = 0) -> Strategy:
        """Replays, for each window and gate, how many words exited under another strategy, with random words."""
        return cls(
            name,
            replays.gates,
            context=replays.context,
            min_exit_ratio=replays.min_exit_ratio,
            replays=replays,
            seed=seed,
        )

    @property
    def kind(self) -> str:
        """``dense``, ``hf``, ``truncate``, ``random``, or the kind of its controller."""
        if self.replays is not None:
            return "random"
        return self.name if self.controller is None else self.controller.kind

    @property
    def prunes(self) -> bool:
        """Whether its controller chooses words: it then has settings, and may have operating points and recovery."""
        return isinstance(self.controller, Controller)

    def settings(self) -> dict[str, Any]:
        """Names and values of the settings that `with_settings` takes; ``random`` has those of what it replays."""
        if self.replays is not None:
            return self.replays.settings()
        if not self.prunes:
            return {}
        own = {"gates": self.gates, "context": self.context} | values_of(self)
        return own | values_of(self.controller) | (values_of(self.recovery) if self.recovery else {})

    def with_settings(self, **settings: Any) -> Strategy:
        """The strategy with some settings changed; its point becomes ``custom``.

        Raises:
            InputError: no such setting, or a value out of range.
        """
        if unknown := set(settings) - set(self.settings()):
            raise InputError(
                f"expected one of {self.name}'s settings {sorted(self.settings())}, got {sorted(unknown)}; leave it out"
            )
        if not settings:
            return self
        if self.replays is not None:
            return Strategy.random(self.name, self.replays.with_settings(**settings), self.seed)

        def changed(part: Any) -> Any:
            taken = {name: settings[name] for name in values_of(part) if name in settings}
            return replace(part, **taken)

        new = replace(
            changed(self),
            gates=settings.get("gates", self.gates),
            context=settings.get("context", self.context),
            controller=changed(self.controller),
            recovery=self.recovery and changed(self.recovery),
        )
        return new if new == self else replace(new, point="custom")

    def to_json(self) -> dict[str, Any]:
        """A JSON object; λ is written ``lambda``."""
        record: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates)}
        if self.gates:
            record |= {"context": self.context, "min_exit_ratio": self.min_exit_ratio}
        if self.controller is not None:
            settings = values_of(self.controller) if self.prunes else {}
            record["controller"] = {"kind": self.kind} | {name.rstrip("_"): value for name, value in settings.items()}
        if self.recovery is not None:
            record["recovery"] = asdict(self.recovery)
        if self.replays is not None:
            record |= {"replays": self.replays.to_json(), "seed": self.seed}
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Strategy:
        """The inverse of `to_json`.

        Raises:
            InputError: no settings of a strategy, or an unknown controller or setting.
        """
        known = {one.name for one in fields(cls)}
        if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
            raise InputError(f"expected the settings of a strategy with its name, got {record!r}; fix them")
        parts = [record.get(name) or {} for name in ("controller", "recovery", "replays")]
        if not all(isinstance(part, Mapping) for part in parts):
            raise InputError(f"expected controller, recovery and replays as objects, got {record!r}; fix them")
        if unknown := record.keys() - known:
            raise InputError(
                f"expected settings of a strategy out of {sorted(known)}, got {sorted(unknown)}; remove them"
            )
        controller: Controller | Truncation | None = None
        if record.get("controller"):
            settings = dict(record["controller"])
            kind = settings.pop("kind", None)
            if kind == Truncation.kind:
                controller = Truncation()
            elif kind in CONTROLLERS:
                controller = from_values(CONTROLLERS[kind], kind, settings)
            else:
                raise InputError(f"expected a controller out of {sorted(CONTROLLERS)}, got {kind!r}; fix the settings")
        recovery, replays = record.get("recovery"), record.get("replays")
        return cls(
            name=record["name"],
            gates=record.get("gates", ()),
            controller=controller,
            point=record.get("point", ""),
            context=record.get("context", "drop"),
            min_exit_ratio=record.get("min_exit_ratio", 0.1),
            recovery=from_values(Recovery, "recovery", recovery) if recovery else None,
            replays=cls.from_json(replays) if replays else None,
            seed=record.get("seed", 0),
        )


def _layers(gates: Any) -> tuple[int, ...]:
    """Gates as a tuple of Python's numbers.

    Raises:
        InputError: something else than ascending whole numbers from 1.
    """
    given = tuple(gates) if isinstance(gates, Iterable) else (gates,)
    try:
        found = [operator.index(gate) for gate in given]
    except TypeError:
        found = [0]
    if any(isinstance(gate, bool) for gate in given) or [0, *found] != sorted({0, *found}):
        raise InputError(f"expected ascending whole numbers from 1 as gates, got {gates!r}; write e.g. (1, 2)")
    return tuple(found)
