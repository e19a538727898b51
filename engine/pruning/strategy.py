"""Strategies: which gates, which controller. Frozen, validated once, JSON round trip."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar, get_args

from engine.errors import InputError
from engine.pruning.controllers import EntropyController, ExitController, RandomController, RuleController
from engine.pruning.learned import LearnedController
from engine.pruning.recovery import Recovery

CONTROLLED = ("rule", "entropy", "mlp")
RECOVERY = "+recovery"
PRUNING = (*CONTROLLED, *(name + RECOVERY for name in CONTROLLED))
NAMES = ("dense", "hf", *PRUNING, "random", "truncate-k")
CONTEXTS = ("drop", "freeze")

Controller = EntropyController | RuleController | LearnedController | ExitController | RandomController
CONTROLLERS: tuple[type[Controller], ...] = get_args(Controller)
P = TypeVar("P", Controller, Recovery)


@dataclass(frozen=True)
class Strategy:
    """A way to run the encoder.

    Args:
        name: as typed: ``dense``, ``hf``, ``rule``, ``entropy:fast``, ``entropy+recovery``, ``random``,
            ``random@rule``, ``truncate-3``.
        gates: layers after which words may leave, ascending.
        controller: who decides at the gates; ``None`` if there are none.
        point: the operating point that the settings come from, ``""`` where there is none.
        context: ``drop``: the rows of words that left are gone; ``freeze``: they stay visible as keys and values.
        recovery: when and which words come back; ``None``: never.
    """

    name: str
    gates: tuple[int, ...] = ()
    controller: Controller | None = None
    point: str = ""
    context: str = "drop"
    recovery: Recovery | None = None

    def __post_init__(self) -> None:
        if self.context not in CONTEXTS:
            raise InputError(f"expected a context out of {list(CONTEXTS)}, got {self.context!r}; choose one of them")
        whole = all(isinstance(gate, int) and gate >= 1 for gate in self.gates)
        if not whole or list(self.gates) != sorted(set(self.gates)):
            raise InputError(f"expected ascending layer numbers as gates, got {self.gates}; sort them")
        if bool(self.gates) != (self.controller is not None):
            raise InputError(f"expected gates together with a controller, got {self}; give both or neither")

    @property
    def base(self) -> str:
        """The name without its operating point."""
        return base_name(self.name)

    def with_knobs(self, **knobs: Any) -> Strategy:
        """The strategy with some settings changed, its point then called ``custom``.

        ``gates``, ``context`` and every field of the controller and of the recovery are knobs; those of ``random`` are
        those of the strategy that it replays.

        Raises:
            InputError: no such knob, or a value out of range.
        """
        if unknown := set(knobs) - set(self.knobs()):
            raise InputError(
                f"expected a knob of {self.name} out of {sorted(self.knobs())}, got {sorted(unknown)}; leave it out"
            )
        if self.controller is None or not knobs:
            return self
        if isinstance(self.controller, RandomController):
            replays = self.controller.replays.with_knobs(**knobs)
            controller = replace(self.controller, replays=replays)
            return replace(self, gates=replays.gates, context=replays.context, controller=controller)
        gates = knobs.pop("gates", self.gates)
        changed = replace(
            self,
            gates=tuple(gates) if isinstance(gates, list | tuple) else (gates,),
            context=knobs.pop("context", self.context),
            recovery=self.recovery and replace(self.recovery, **_taken(knobs, self.recovery)),
            controller=replace(self.controller, **_taken(knobs, self.controller)),
        )
        return changed if changed == self else replace(changed, point="custom")

    def recovering(self) -> Strategy:
        """The strategy with recovery at its default settings, unless it has some."""
        base = self.base if self.base.endswith(RECOVERY) else self.base + RECOVERY
        return replace(self, name=base + self.name.removeprefix(self.base), recovery=self.recovery or Recovery())

    def knobs(self) -> dict[str, Any]:
        """Names and values of the settings that `with_knobs` takes; only strategies that choose words have any."""
        if isinstance(self.controller, RandomController):
            return self.controller.replays.knobs()
        if not isinstance(self.controller, EntropyController | RuleController | LearnedController):
            return {}
        parts = [self.controller, *([self.recovery] if self.recovery else [])]
        settings = {name: getattr(part, name) for part in parts for name in _settings(part)}
        return {"gates": self.gates, "context": self.context} | settings

    def to_json(self) -> dict[str, Any]:
        """A JSON object; λ is written ``lambda``."""
        record: dict[str, Any] = {"name": self.name, "point": self.point, "gates": list(self.gates), "controller": None}
        if self.controller is not None:
            settings = {name.rstrip("_"): getattr(self.controller, name) for name in _settings(self.controller)}
            if isinstance(self.controller, RandomController):
                settings["replays"] = self.controller.replays.to_json()
            record["controller"] = {"kind": self.controller.kind} | settings
            record["context"] = self.context
        if self.recovery is not None:
            record["recovery"] = asdict(self.recovery)
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
            controller = _from_settings(classes[kind], kind, settings)
        recovery = _from_settings(Recovery, "recovery", record["recovery"]) if record.get("recovery") else None
        return cls(
            name=record["name"],
            gates=tuple(record.get("gates", ())),
            controller=controller,
            point=record.get("point", ""),
            context=record.get("context", "drop"),
            recovery=recovery,
        )


def base_name(name: str) -> str:
    """``entropy`` of ``entropy:fast``."""
    return name.partition(":")[0]


def _settings(part: Any) -> list[str]:
    """Names of the fields that are settings; what comparisons pass over is none."""
    return [f.name for f in fields(part) if f.compare]


def _taken(knobs: dict[str, Any], part: Any) -> dict[str, Any]:
    """Those of the knobs that are fields of a part."""
    return {name: knobs[name] for name in _settings(part) if name in knobs}


def _from_settings(part: type[P], kind: str, settings: dict[str, Any]) -> P:
    names = {name.rstrip("_"): name for name in _settings(part)}
    if unknown := set(settings) - set(names):
        raise InputError(f"expected settings of {kind} out of {sorted(names)}, got {sorted(unknown)}; remove them")
    return part(**{names[name]: value for name, value in settings.items()})


def typed_knob(knob: str, text: str) -> tuple[str, Any]:
    """Name and value, for `Strategy.with_knobs`, of a knob as one types it, e.g. ``gates`` and ``1,2``.

    Raises:
        InputError: the text is no value.
    """
    listed = knob == "gates" or "," in text
    try:
        value = json.loads(f"[{text}]" if listed else text.lower())
    except ValueError:
        value = text  # a word, such as a trigger
    if value is None or (listed and isinstance(value, str)):
        raise InputError(f"expected a number, true, false, a word or numbers with commas, got {text!r}; mend {knob}")
    return "lambda_" if knob == "lambda" else knob, value


def default_strategy(name: str, layers: int) -> Strategy:
    """A strategy with its default settings for an encoder of ``layers`` layers.

    Raises:
        InputError: no strategy has this name.
    """
    if name in ("dense", "hf"):
        return Strategy(name)
    if name.endswith(RECOVERY) and name in PRUNING:
        return default_strategy(name.removesuffix(RECOVERY), layers).recovering()
    early = tuple(range(max(1, layers // 3), max(2, layers // 3 * 2 + 1)))
    if name == "entropy":
        return Strategy(name, early, EntropyController(), "default")
    if name == "rule":
        return Strategy(name, early, RuleController(), "default")
    if name == "mlp":
        return Strategy(name, early, LearnedController(), "default")
    if match := re.fullmatch(r"truncate-([0-9]{1,9})", name):
        depth = int(match[1])
        if not 1 <= depth < layers:
            raise InputError(
                f"expected truncate-1 to truncate-{layers - 1}, got {name!r}; the encoder has {layers} layers"
            )
        return Strategy(name, (depth,), ExitController())
    raise InputError(f"expected a strategy out of {list(NAMES)} (or random@rule), got {name!r}; check the name")
