"""The controller ``rule``: words exit when their label is certain compared with the rest of their window."""

from dataclasses import dataclass

from engine.pruning.controllers.base import RelativeController
from engine.pruning.gate import Gate, Values


@dataclass(frozen=True)
class RuleController(RelativeController):
    """Importance is the uncertainty of the gate's label: log(1 − top probability), because most words are certain."""

    kind = "rule"
    description = "Words exit when their label is certain compared with the rest of their window."
    importance_is = "uncertainty"
    signals = frozenset({"confidence"})

    def importance(self, gate: Gate) -> Values:
        return gate.log(1 - gate.confidence)
