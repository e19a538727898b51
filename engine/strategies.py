"""Strategies: which gates, which controller. Frozen, validated once, JSON round trip."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from engine.controllers import (
    CONTROLLERS,
    Controller,
    EntropyController,
    ExitController,
    RandomController,
    RuleController,
)
from engine.errors import InputError

PRUNING = ("rule", "entropy")
NAMES = ("dense", "hf", *PRUNING, "random", "truncate-k")


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder.

    Args:
        name: as typed: ``dense``, ``hf``, ``rule``, ``entropy``, ``random``, ``random@rule``, ``truncate-3``, ….
        gates: layers after which words may leave, ascending.
        controller: who decides at the gates; ``None`` if there are none.
        point: the operating point that the settings come from, ``""`` where there is none.
    """

    name: str
    gates: tuple[int, ...] = ()
    controller: Controller | None = None
    point: str = ""

    def __post_init__(self) -> None:
        whole = all(isinstance(gate, int) and gate >= 1 for gate in self.gates)
        if not whole or list(self.gates) != sorted(set(self.gates)):
            raise InputError(f"expected ascending layer numbers as gates, got {self.gates}; sort them")
        if bool(self.gates) != (self.controller is not None):
            raise InputError(f"expected gates together with a controller, got {self}; give both or neither")

    def with_knobs(self, **knobs: Any) -> Strategy:
        """The strategy with some settings changed, its point then called ``custom``.

        ``gates`` and every field of the controller are knobs.

        Raises:
            InputError: no such knob, or a value out of range.
        """
        if unknown := set(knobs) - set(self.knobs()):
            raise InputError(
                f"expected a knob of {self.name} out of {sorted(self.knobs())}, got {sorted(unknown)}; leave it out"
            )
        if self.controller is None or not knobs:
            return self
        gates = knobs.pop("gates", self.gates)
        changed = replace(
            self,
            gates=tuple(gates) if isinstance(gates, list | tuple) else (gates,),
            controller=replace(self.controller, **knobs),
        )
        return changed if changed == self else replace(changed, point="custom")

    def knobs(self) -> dict[str, Any]:
        """Names and values of the settings that `with_knobs` takes; only strategies that choose words have any."""
        if not isinstance(self.controller, EntropyController | RuleController):
            return {}
        return {"gates": self.gates} | {f.name: getattr(self.controller, f.name) for f in fields(self.controller)}

    def to_json(self) -> dict[str, Any]:
        """A JSON object; λ is written ``lambda``."""
        record: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates), "controller": None}
        if self.controller is not None:
            settings = {f.name.rstrip("_"): getattr(self.controller, f.name) for f in fields(self.controller)}
            if isinstance(self.controller, RandomController):
                settings["replays"] = self.controller.replays.to_json()
            record["controller"] = {"kind": self.controller.kind} | settings
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Strategy:
        """The inverse of `to_json`.

        Raises:
            InputError: unknown controller or setting.
        """
        controller: Controller | None = None
        if record.get("controller"):
            settings = dict(record["controller"])
            kind = settings.pop("kind", None)
            classes = {controller_class.kind: controller_class for controller_class in CONTROLLERS}
            if kind not in classes:
                raise InputError(f"expected a controller out of {sorted(classes)}, got {kind!r}; mend the settings")
            if "replays" in settings:
                settings["replays"] = cls.from_json(settings["replays"])
            names = {f.name.rstrip("_"): f.name for f in fields(classes[kind])}
            if unknown := set(settings) - set(names):
                raise InputError(
                    f"expected settings of {kind} out of {sorted(names)}, got {sorted(unknown)}; remove them"
                )
            controller = classes[kind](**{names[name]: value for name, value in settings.items()})
        return cls(record["name"], tuple(record.get("gates", ())), controller, record.get("point", ""))


def default_strategy(name: str, layers: int) -> Strategy:
    """A strategy with its default settings for an encoder of ``layers`` layers.

    Raises:
        InputError: no strategy has this name.
    """
    if name in ("dense", "hf"):
        return Strategy(name)
    early = tuple(range(max(1, layers // 3), max(2, layers // 3 * 2 + 1)))
    if name == "entropy":
        return Strategy(name, early, EntropyController(), "default")
    if name == "rule":
        return Strategy(name, early, RuleController(), "default")
    if match := re.fullmatch(r"truncate-(\d+)", name):
        depth = int(match[1])
        if not 1 <= depth < layers:
            raise InputError(
                f"expected truncate-1 to truncate-{layers - 1}, got {name!r}; the encoder has {layers} layers"
            )
        return Strategy(name, (depth,), ExitController())
    raise InputError(f"expected a strategy out of {list(NAMES)} (or random@rule), got {name!r}; check the name")
