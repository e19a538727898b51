"""What decides at gates, and the base classes of controllers, with settings, decisions and the reasons for them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from engine.pruning.gate import ArrayGate, Decision, Gate, Values
from engine.settings import check_settings, setting, settings_of

Reason = Literal["end", "exit", "importance", "entity", "whole", "minimum", "few"]
MINIMUM = "minimum share of a window's words that stay to the last layer"


class Decider:
    """Decides at the gates of a strategy: a `Controller`, or a class without settings such as `Truncation`."""

    kind: ClassVar[str]

    @property
    def signals(self) -> frozenset[str]:
        """The signals that `decide` reads, by their names in `Gate`; ``windowed_entropy`` is the neighbours', too."""
        return frozenset()

    def decide(self, gate: Gate) -> Decision:
        """Which of the alive words exit, by default none, and every word's importance; not asked where it `ends`."""
        return Decision(gate.is_alive & ~gate.is_alive, gate.where(gate.is_alive, 1.0, 1.0))

    def ends(self, index: int) -> bool:
        """Whether every word exits at gate number ``index``, counted from 0, whatever its score."""
        return False

    def explain(self, gate: ArrayGate, decision: Decision) -> tuple[Sequence[float | None], Sequence[Reason | None]]:
        """The threshold of each word, and why it exited or stayed; ``None`` for what does not choose words."""
        nothing = [None] * len(decision.exits)
        return nothing, nothing

    def numbers(self, index: int) -> dict[str, float]:
        """Values of the numeric settings that `decide` asks for, at the gate with ``index`` gates before it."""
        return {}

    @property
    def form(self) -> tuple[Any, ...]:
        """What a graph of its decisions depends on besides these numbers."""
        return (self.kind,)


@dataclass(frozen=True)
class Controller(Decider, ABC):
    """Scores the words at a gate and decides which exit early; its fields are its settings.

    A new controller is a subclass in its own file, with `importance` and `threshold`, and a line in ``CONTROLLERS``.

    ``description``: for users.
    ``importance_is``: what a word's importance measures, as a phrase to complete a sentence.
    ``network_file``: file of a model folder; the engine sets the controller's field ``network`` to what it holds.
    ``exit_entities``: whether predicted entities exit only as a whole.
    """

    description: ClassVar[str]
    importance_is: ClassVar[str] = "how much a word still has to be computed"
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

    def held(self, gate: Gate) -> Values | None:
        """Words that stay whatever their importance, which then counts as infinite; ``None`` if there are none."""
        return None

    def is_low(self, importance: Values, threshold: Values) -> Values:
        """Words whose importance is low enough to exit."""
        return importance <= threshold

    def decide(self, gate: Gate) -> Decision:
        """Lets words of low importance exit, entities as a whole, and not too many of them."""
        importance, held = self.importance(gate), self.held(gate)
        threshold = self.threshold(gate, importance)
        if held is not None:
            importance = gate.where(held, np.inf, importance)
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
        """See `Decider`; the last of a setting's values applies to further gates."""
        values = {own.name: getattr(self, own.name) for own in settings_of(type(self)) if own.is_number}
        each = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
        return {name: float(of_gates[min(index, len(of_gates) - 1)]) for name, of_gates in each.items()}

    @property
    def form(self) -> tuple[Any, ...]:
        """See `Decider`; a number that is 0 may leave a part of the formula out."""
        values = ((own, getattr(self, own.name)) for own in settings_of(type(self)))
        return (self.kind, *(bool(value) if own.is_number else value for own, value in values))

    def explain(self, gate: ArrayGate, decision: Decision) -> tuple[list[float], list[Reason]]:
        """See `Decider`, given the decision that took effect at the gate.

        A word that exited has the reason ``exit``, or ``end`` if every word exits at the gate. A word stayed because
        its ``importance`` is high, it is in or beside an ``entity``, its entity must exit as a ``whole``, it belongs to
        the ``minimum`` that stays, or too ``few`` words of its window would exit.
        """
        ends = self.ends(gate.index)  # then no signal was read
        threshold = self.threshold(gate, decision.importance if ends else self.importance(gate))
        low = self.is_low(decision.importance, threshold) & gate.is_alive
        rules: dict[Reason, np.ndarray] = {
            "end": decision.exits & ends,
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

    def held(self, gate: Gate) -> Values | None:
        return None if self.exit_entities else gate.near(gate.entity, self.neighbours)

    def threshold(self, gate: Gate, importance: Values) -> Values:
        return gate.number_of(self.threshold_name)

    def ends(self, index: int) -> bool:
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

    def held(self, gate: Gate) -> Values:
        return gate.near(gate.entity, self.neighbours)

    def threshold(self, gate: Gate, importance: Values) -> Values:
        return gate.mean(importance) + gate.deviation(importance) * gate.number_of("lambda_")

    def is_low(self, importance: Values, threshold: Values) -> Values:
        """Words whose importance is strictly below the threshold, so that words alike stay together."""
        return importance < threshold
