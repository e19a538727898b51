"""What decides at gates, and the base classes of controllers, with settings, decisions and the reasons for them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from engine.pruning.gate import Decision, GateView
from engine.pruning.graph_gate import GraphGateView, Node
from engine.pruning.settings import Setting, check_settings, setting, settings_of
from engine.pruning.signals import lowest_per_window

Reason = Literal["end", "exit", "importance", "entity", "whole", "minimum", "few"]


class Decider(ABC):
    """Decides at the gates of a strategy: a `Controller`, or a class without settings such as `Truncation`."""

    kind: str

    @abstractmethod
    def __call__(self, gate: GateView) -> Decision:
        """Decides which words exit at a gate."""

    def ends(self, index: int) -> bool:
        """Whether every word exits at the gate with this number of gates before it, regardless of scores."""
        return False

    @property
    def form(self) -> tuple[Any, ...] | None:
        """What of it is compiled; ``None`` if it has no `compose`."""
        return None

    def compose(self, gate: GraphGateView) -> tuple[Node, Node]:
        """Decides like a call, in operations of a graph.

        Returns:
            The mask of the words that stay, and every word's importance.
        """
        raise NotImplementedError

    def numbers(self, index: int, words: int) -> dict[str, float]:
        """The numbers that `compose` asks for, at a gate with ``index`` gates before it, in a window of ``words``."""
        return {}


@dataclass(frozen=True)
class Controller(Decider):
    """Scores the words at a gate and decides which exit early; its fields are its settings.

    A new controller is a subclass in its own file and a line in ``CONTROLLERS``. One that ``needs_network`` has a field
    ``network``, which the engine sets to the network that comes with the weights.
    """

    description: ClassVar[str]
    needs_network: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_settings(self)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """The controller's settings, with their ranges."""
        return settings_of(cls)

    @property
    def signals(self) -> frozenset[str]:
        """The signals of a word that it reads, by the names in `WordScores`."""
        return frozenset()

    @abstractmethod
    def threshold(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        """The highest importance, ``(words,)``, at which each word may exit at a gate."""

    def has_low_importance(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        """Words, bool ``(words,)``, whose importance is low enough to exit."""
        return importance <= self.threshold(gate, importance)

    @property
    def importance_is(self) -> str:
        """What a word's importance measures, as a phrase to complete a sentence."""
        return "how much a word still has to be computed"

    def reasons(self, gate: GateView, decision: Decision) -> list[Reason]:
        """Why each word exited or stayed, given the decision that took effect at the gate.

        A word that exited has the reason ``exit``, or ``end`` if every word exits at the gate. A word stayed because
        its ``importance`` is high, it is in or beside an ``entity``, its entity must exit as a ``whole``, it belongs to
        the ``minimum`` that stays, or too ``few`` words of its window would exit. The reasons follow from comparing the
        controller's decision with and without its minimum to the decision that took effect.
        """
        has_minimum = hasattr(self, "min_keep_ratio")
        unbounded = replace(self, min_keep_ratio=0.0) if has_minimum else self  # type: ignore[call-arg]
        rules: dict[Reason, np.ndarray] = {
            "end": decision.exits & self.ends(gate.index),
            "exit": decision.exits,
            "entity": np.isinf(decision.importance),
            "importance": ~self.has_low_importance(gate, decision.importance),
            "whole": ~unbounded(gate).exits,
            "minimum": ~self(gate).exits,
        }
        found: list[Reason] = np.select(list(rules.values()), list(rules), "few").tolist()
        keeps_whole = getattr(self, "exit_entities", False)
        return found if keeps_whole else ["entity" if one == "whole" else one for one in found]

    @classmethod
    def default_gates(cls, layers: int) -> tuple[int, ...]:
        """Gates for weights that store no operating points: one after each layer of the second third."""
        return tuple(range(max(1, layers // 3), max(2, layers // 3 * 2 + 1)))


class ThresholdController(Controller):
    """Lets words exit whose importance is at most the gate's threshold; entities may exit, but only as a whole."""

    exit_entities: bool
    min_keep_ratio: float

    @property
    @abstractmethod
    def thresholds(self) -> float | tuple[float, ...]:
        """One threshold for all gates, or one for each, of which the last applies to further gates."""

    def at(self, index: int) -> float:
        """The threshold of the gate with this number of gates before it."""
        of_gates = self.thresholds
        return of_gates[min(index, len(of_gates) - 1)] if isinstance(of_gates, tuple) else of_gates

    def threshold(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        """The gate's threshold, the same for all words."""
        return np.full(len(importance), self.at(gate.index))

    def ends(self, index: int) -> bool:
        """Whether the threshold is 1, unless entities or a minimum stay."""
        return self.at(index) >= 1 and self.exit_entities and not self.min_keep_ratio

    def exit_below(self, gate: GateView, importance: np.ndarray, threshold: float | np.ndarray) -> Decision:
        """Lets words exit whose importance is at most a threshold, one for all words or ``(words,)``."""

        def whole_entities(exits: np.ndarray) -> np.ndarray:
            return gate.whole_entities(exits | ~gate.alive) & gate.alive if self.exit_entities else exits

        exits = whole_entities((importance <= threshold) & gate.alive)
        if self.min_keep_ratio:
            exits = whole_entities(keep_minimum(exits, importance, gate, self.min_keep_ratio))
        return Decision(exits, importance)

    def stay_above(self, gate: GraphGateView, importance: Node) -> Node:
        """The counterpart of `exit_below`: the mask of the words that stay."""

        def whole_entities(stays: Node) -> Node:
            return gate.whole_entities(stays) if self.exit_entities else stays

        stays = whole_entities(gate.above(importance, gate.number("threshold")))
        if self.min_keep_ratio:
            stays = whole_entities(gate.keep_minimum(stays, importance, gate.number("floor")))
        return stays

    def numbers(self, index: int, words: int) -> dict[str, float]:
        """The gate's threshold and the minimum number of words that stay."""
        return {"threshold": self.at(index), "floor": math.ceil(words * self.min_keep_ratio)}


def exit_entities() -> bool:
    """Declares the setting of controllers that may let entities exit."""
    return setting(
        False, "predicted entities may exit, each as a whole; otherwise they and their neighbours stay", kind="flag"
    )


def min_keep_ratio(default: float) -> float:
    """Declares the setting for the minimum share of words that stay."""
    return setting(default, "minimum share of a window's words that stay to the last layer", on_page=True)


def keep_minimum(exits: np.ndarray, importance: np.ndarray, gate: GateView, min_keep_ratio: float) -> np.ndarray:
    """Reduces exits to the words of least importance, so that the share ``min_keep_ratio`` of each window stays."""
    words = gate.words
    alive = np.bincount(words.window[gate.alive], minlength=len(words.counts))
    floor = np.ceil(words.counts * min_keep_ratio).astype(np.int64)
    return lowest_per_window(importance, exits, words.window, alive - floor)
