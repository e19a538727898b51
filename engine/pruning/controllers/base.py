"""What decides at gates, and the base classes of controllers, with settings, decisions and the reasons for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from engine.pruning.gate import ArrayGate, Decision, Gate, Values
from engine.pruning.settings import Setting, check_settings, setting, settings_of

Reason = Literal["end", "exit", "importance", "entity", "whole", "minimum", "few"]


class Decider(ABC):
    """Decides at the gates of a strategy: a `Controller`, or a class without settings such as `Truncation`."""

    kind: ClassVar[str]

    @property
    def signals(self) -> frozenset[str]:
        """The signals that `decide` reads, by their names in `Gate`; ``windowed_entropy`` is the neighbours', too."""
        return frozenset()

    @abstractmethod
    def decide(self, gate: Gate) -> Decision:
        """Which of the alive words exit, and every word's importance."""

    def ends(self, index: int) -> bool:
        """Whether every word exits at the gate with this number of gates before it, regardless of scores."""
        return False

    def numbers(self, index: int) -> dict[str, float]:
        """Values of the numeric settings that `decide` asks for, at the gate with ``index`` gates before it."""
        return {}

    @property
    def form(self) -> tuple[Any, ...]:
        """What a graph of its decisions depends on besides these numbers."""
        return (self.kind,)


def min_keep_ratio(default: float) -> float:
    """Declares the setting for the minimum share of words that stay."""
    share: float = setting(
        default,
        "minimum share of a window's words that stay to the last layer",
        on_page=True,
        number=True,
        kw_only=True,
    )
    return share


@dataclass(frozen=True)
class Controller(Decider):
    """Scores the words at a gate and decides which exit early; its fields are its settings.

    A new controller is a subclass in its own file, with `importance` and `threshold`, and a line in ``CONTROLLERS``.
    ``description`` is for users. One with a ``network_file`` has a field ``network``, which the engine sets to the
    network in that file of the model folder.
    """

    description: ClassVar[str]
    network_file: ClassVar[str] = ""
    min_keep_ratio: float = min_keep_ratio(0.0)

    def __post_init__(self) -> None:
        check_settings(self)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """The controller's settings, with their ranges."""
        return settings_of(cls)

    @abstractmethod
    def importance(self, gate: Gate) -> Values:
        """How much each word still needs computation; infinite for a word that stays whatever the threshold is."""

    @abstractmethod
    def threshold(self, gate: Gate, importance: Values) -> Values:
        """The importance up to which words may exit."""

    def is_low(self, gate: Gate, importance: Values) -> Values:
        """Words whose importance is low enough to exit."""
        return importance <= self.threshold(gate, importance)

    @property
    def keeps_entities_whole(self) -> bool:
        """Whether predicted entities may exit, each as a whole."""
        return bool(getattr(self, "exit_entities", False))

    def decide(self, gate: Gate) -> Decision:
        """Lets words of low importance exit, entities as a whole, and not too many of them."""
        importance = self.importance(gate)
        return Decision(gate.enough(self._candidates(gate, importance)), importance)

    def _candidates(self, gate: Gate, importance: Values) -> Values:
        """The words that exit if there are enough of them."""
        exits = self.is_low(gate, importance) & gate.alive
        if self.keeps_entities_whole:
            exits = gate.whole_entities(exits)
        if self.min_keep_ratio:
            exits = gate.keep_minimum(exits, importance, gate.number_of("min_keep_ratio"))
            exits = gate.whole_entities(exits) if self.keeps_entities_whole else exits
        return exits

    def numbers(self, index: int) -> dict[str, float]:
        return {one.name: at_gate(getattr(self, one.name), index) for one in self.settings() if one.number}

    @property
    def form(self) -> tuple[Any, ...]:
        """See `Decider`; a number that is 0 may leave a part of the formula out."""
        values = ((one, getattr(self, one.name)) for one in self.settings())
        return (self.kind, *(bool(value) if one.number else value for one, value in values))

    @property
    def importance_is(self) -> str:
        """What a word's importance measures, as a phrase to complete a sentence."""
        return "how much a word still has to be computed"

    def reasons(self, gate: ArrayGate, decision: Decision) -> list[Reason]:
        """Why each word exited or stayed, given the decision that took effect at the gate.

        A word that exited has the reason ``exit``, or ``end`` if every word exits at the gate. A word stayed because
        its ``importance`` is high, it is in or beside an ``entity``, its entity must exit as a ``whole``, it belongs to
        the ``minimum`` that stays, or too ``few`` words of its window would exit.
        """
        low = self.is_low(gate, decision.importance) & gate.alive
        whole = gate.whole_entities(low) if self.keeps_entities_whole else low
        rules: dict[Reason, np.ndarray] = {
            "end": decision.exits & self.ends(gate.index),
            "exit": decision.exits,
            "entity": np.isinf(decision.importance),
            "importance": ~low,
            "whole": ~whole,
            "minimum": ~self._candidates(gate, decision.importance),
        }
        reasons: list[Reason] = np.select(list(rules.values()), list(rules), "few").tolist()
        return reasons

    @classmethod
    def default_gates(cls, layers: int) -> tuple[int, ...]:
        """Gates for weights that store no operating points: one after each layer of the second third."""
        return tuple(range(max(1, layers // 3), max(2, layers // 3 * 2 + 1)))


@dataclass(frozen=True)
class ThresholdController(Controller):
    """Lets words exit whose importance is at most the gate's threshold; entities may exit, but only as a whole."""

    threshold_name: ClassVar[str]  # of the setting that holds it
    exit_entities: bool = setting(
        False,
        "predicted entities may exit, each as a whole; otherwise they and their neighbours stay",
        kind="flag",
        kw_only=True,
    )

    @property
    def thresholds(self) -> float | tuple[float, ...]:
        """One threshold for all gates, or one for each, of which the last applies to further gates."""
        value: float | tuple[float, ...] = getattr(self, self.threshold_name)
        return value

    def threshold(self, gate: Gate, importance: Values) -> Values:
        """The gate's threshold."""
        return gate.number_of(self.threshold_name)

    def ends(self, index: int) -> bool:
        """Whether the threshold is 1, unless entities or a minimum stay."""
        return at_gate(self.thresholds, index) >= 1 and self.exit_entities and not self.min_keep_ratio


@dataclass(frozen=True)
class RelativeController(Controller):
    """Lets words exit whose importance is below μ + λσ of the alive words of their window.

    Predicted entities and words near them stay.
    """

    min_keep_ratio: float = min_keep_ratio(0.1)
    lambda_: float = setting(0.0, "a larger λ prunes more", -2.0, 2.0, on_page=True, number=True)
    neighbours: int = setting(1, "how many words on either side of a predicted entity stay", 0, 16, kind="whole")

    @abstractmethod
    def score(self, gate: Gate) -> Values:
        """Importance, before entities and their neighbours are held."""

    def importance(self, gate: Gate) -> Values:
        """The score, but infinite for entities and their neighbours."""
        return gate.where(gate.near(gate.entity, self.neighbours), np.inf, self.score(gate))

    def threshold(self, gate: Gate, importance: Values) -> Values:
        """μ + λσ of the scores of the alive words."""
        score = self.score(gate)
        return gate.mean(score) + gate.deviation(score) * gate.number_of("lambda_")

    def is_low(self, gate: Gate, importance: Values) -> Values:
        """Words whose importance is strictly below the threshold, so that words alike stay together."""
        return importance < self.threshold(gate, importance)


def at_gate(value: Any, index: int) -> float:
    """A setting's value at the gate with ``index`` gates before it."""
    return float(value[min(index, len(value) - 1)]) if isinstance(value, tuple) else float(value)
