"""The controller ``attention``: importance from what a word attends to, what it receives, and its label."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import InputError
from engine.pruning.controllers.base import RelativeController
from engine.pruning.gate import Gate, Values
from engine.pruning.settings import setting


@dataclass(frozen=True)
class AttentionController(RelativeController):
    """Importance is a sum of three terms, each standardised over the window's alive words.

    These are the entropy of what a word attends to, which counts negatively, since a word that attends to few others is
    important (the rule of Bio-PruneNER); the logarithm of the attention that it receives; and the uncertainty of its
    label, log(1 − top probability). Attention is that of the gate's layer, its mean over heads.
    """

    kind = "attention"
    description = "Words exit that attend to many others, receive little attention and have a certain label."

    focus: float = setting(1.0, "weight of attending to few words", number=True)
    received: float = setting(1.0, "weight of the attention that a word receives", number=True)
    uncertainty: float = setting(1.0, "weight of the uncertainty of the label", number=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.focus or self.received or self.uncertainty):
            raise InputError("expected a weight above 0 for focus, received or uncertainty, got 0 for all; raise one")

    def score(self, gate: Gate) -> Values:
        """The sum of the terms."""
        terms = {
            "focus": lambda: gate.attention_entropy * -1,
            "received": lambda: gate.log(gate.received),
            "uncertainty": lambda: gate.log(1 - gate.confidence),
        }
        parts = [
            gate.standardised(term()) * gate.number_of(name) for name, term in terms.items() if getattr(self, name)
        ]
        return sum(parts[1:], parts[0])

    @property
    def signals(self) -> frozenset[str]:
        """What the terms with a weight read."""
        terms = {"focus": "attention_entropy", "received": "received", "uncertainty": "confidence"}
        return frozenset(signal for name, signal in terms.items() if getattr(self, name))

    @property
    def importance_is(self) -> str:
        """The sum."""
        return "attention given and received and uncertainty of the label, each compared with the rest of the window"
