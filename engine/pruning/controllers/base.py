"""The base classes of controllers: exit policies with settings, which give reasons for their decisions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from engine.pruning.gate import ArrayGate, Decision, Gate, Values
from engine.pruning.policies import ExitPolicy, Reason
from engine.settings import check_settings, setting, settings_of

MINIMUM = "minimum share of a window's words that stay to the last layer"


@dataclass(frozen=True)
class Controller(ExitPolicy, ABC):
    """Scores the words at a gate and decides which exit early; its fields are its settings.

    A new controller is a subclass in its own file, with `importance` and `threshold`, and a line in ``CONTROLLERS``.

    ``description``: for users.
    ``importance_is``: what a word's importance measures, as a phrase before a colon and a value.
    ``network_file``: file of a model folder; the engine sets the controller's field ``network`` to what it holds.
    ``exit_entities``: whether predicted entities exit only as a whole.
    """

    description: ClassVar[str]
    importance_is: ClassVar[str] = "importance"
    network_file: ClassVar[str] = ""
    exit_entities = False
    min_keep_ratio: float = setting(0.0, MINIMUM, on_page=True, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)

    @abstractmethod
    def importance(self, gate: Gate) -> Values:
        """How much each word still needs computation."""

    @abstractmethod
    def threshold(self, gate: Gate, importance: Values) -> Values:
        """The importance up to which words may exit."""

    def protected(self, gate: Gate) -> Values | None:
        """Words that stay whatever their importance, bool ``(words,)``; ``None`` if there are none."""
        return None

    def is_low(self, importance: Values, threshold: Values) -> Values:
        """Words whose importance is low enough to exit."""
        return importance <= threshold

    def decide(self, gate: Gate) -> Decision:
        """Lets words of low importance exit, entities as a whole; the importance of protected words is infinite."""
        importance, protected = self.importance(gate), self.protected(gate)
        threshold = self.threshold(gate, importance)
        if protected is not None:
            importance = gate.where(protected, np.inf, importance)
        low = self.is_low(importance, threshold) & gate.is_alive
        return Decision(gate.enough(self._candidates(gate, low, importance)), importance)

    def _candidates(self, gate: Gate, low: Values, importance: Values) -> Values:
        """The words that exit if there are enough of them."""
        exits = self._whole(gate, low)
        if self.min_keep_ratio:
            exits = self._whole(gate, gate.keep_minimum(exits, importance, gate.number_of("min_keep_ratio")))
        return exits

    def _whole(self, gate: Gate, exits: Values) -> Values:
        return gate.whole_entities(exits) if self.exit_entities else exits

    def numbers(self, index: int) -> dict[str, float]:
        """See `ExitPolicy`; the last of a setting's values applies to further gates."""
        values = {each.name: getattr(self, each.name) for each in settings_of(type(self)) if each.is_number}
        per_gate = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
        return {name: float(numbers[min(index, len(numbers) - 1)]) for name, numbers in per_gate.items()}

    @property
    def structure(self) -> tuple[Any, ...]:
        """See `ExitPolicy`: all settings, but of numbers only whether they are 0, which shortens the formula."""
        values = ((each.is_number, getattr(self, each.name)) for each in settings_of(type(self)))
        return (self.kind, *(bool(value) if is_number else value for is_number, value in values))

    def explain(self, gate: ArrayGate, decision: Decision) -> tuple[list[float], list[Reason]]:
        """See `ExitPolicy`, given the decision that took effect at the gate.

        A word that exited has the reason ``exit``, or ``end`` if every word exits at the gate. A word stayed because
        its ``importance`` is high, it is in or beside an ``entity``, its entity must exit as a ``whole``, it belongs to
        the ``minimum`` that stays, or too ``few`` words of its window would exit.
        """
        all_exit = self.all_exit(gate.index)  # then no signal was read
        threshold = self.threshold(gate, decision.importance if all_exit else self.importance(gate))
        low = self.is_low(decision.importance, threshold) & gate.is_alive
        rules: dict[Reason, np.ndarray] = {
            "end": decision.exits & all_exit,
            "exit": decision.exits,
            "entity": np.isinf(decision.importance),
            "importance": ~low,
            "whole": ~self._whole(gate, low),
            "minimum": ~self._candidates(gate, low, decision.importance),
        }
        reasons: list[Reason] = np.select(list(rules.values()), list(rules), "few").tolist()
        return np.broadcast_to(threshold, low.shape).tolist(), reasons


@dataclass(frozen=True)
class ThresholdController(Controller):
    """Lets words exit whose importance is at most the gate's threshold; entities may exit, but only as a whole."""

    threshold_name: ClassVar[str]  # of the setting that holds it
    neighbours = 1
    exit_entities: bool = setting(
        False,
        "predicted entities may exit, each as a whole; otherwise they and their neighbours stay",
        kw_only=True,
    )

    def protected(self, gate: Gate) -> Values | None:
        return None if self.exit_entities else gate.near(gate.entity, self.neighbours)

    def threshold(self, gate: Gate, importance: Values) -> Values:
        return gate.number_of(self.threshold_name)

    def all_exit(self, index: int) -> bool:
        """Whether the threshold is 1, unless entities or a minimum stay."""
        return self.numbers(index)[self.threshold_name] >= 1 and self.exit_entities and not self.min_keep_ratio


@dataclass(frozen=True)
class RelativeController(Controller):
    """Lets words exit whose importance is below μ + λσ of the alive words of their window.

    Predicted entities and words near them stay.
    """

    min_keep_ratio: float = setting(0.1, MINIMUM, on_page=True, kw_only=True)
    lambda_: float = setting(0.0, "a larger λ prunes more", -2.0, 2.0, on_page=True)
    neighbours: int = setting(1, "how many words on either side of a predicted entity stay", 0, 16)

    def protected(self, gate: Gate) -> Values:
        return gate.near(gate.entity, self.neighbours)

    def threshold(self, gate: Gate, importance: Values) -> Values:
        return gate.mean(importance) + gate.deviation(importance) * gate.number_of("lambda_")

    def is_low(self, importance: Values, threshold: Values) -> Values:
        """Words whose importance is strictly below the threshold, so that words alike stay together."""
        return importance < threshold
