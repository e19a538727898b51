"""The controller ``rule``: words exit when their label is certain compared with the rest of their window."""

from __future__ import annotations

from dataclasses import dataclass

from engine.pruning.controllers.base import RelativeController
from engine.pruning.gate import Gate, Values


@dataclass(frozen=True)
class RuleController(RelativeController):
    """Importance is the uncertainty of the gate's label: log(1 − top probability), because most words are certain."""

    kind = "rule"
    description = "Words exit whose label is certain compared with the rest of their window."

    def score(self, gate: Gate) -> Values:
        """log(1 − top probability)."""
        return gate.log(1 - gate.confidence)

    @property
    def signals(self) -> frozenset[str]:
        """The probability of the word's label."""
        return frozenset({"confidence"})

    @property
    def importance_is(self) -> str:
        """The uncertainty of the word's label."""
        return "the uncertainty of the word's label in its window, log(1 − its probability)"
