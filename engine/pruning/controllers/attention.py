"""The controller ``attention``: importance from what a word attends to, what it receives, and its label."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.errors import InputError
from engine.pruning.controllers.base import RelativeController
from engine.pruning.gate import Gate, Values
from engine.settings import setting

# Weight → the signal that its term reads, and the term. A word that attends to few others is important (the rule of
# Bio-PruneNER), so entropy counts negatively.
TERMS: Mapping[str, tuple[str, Callable[[Gate], Values]]] = {
    "focus": ("attention_entropy", lambda gate: gate.of_layer("attention_entropy") * -1),
    "received": ("received", lambda gate: gate.log(gate.of_layer("received"))),
    "uncertainty": ("confidence", lambda gate: gate.log(1 - gate.confidence)),
}


@dataclass(frozen=True)
class AttentionController(RelativeController):
    """Importance is a weighted sum of `TERMS`, each standardised over the window's alive words.

    Attention is that of the gate's layer, its mean over heads.
    """

    kind = "attention"
    description = "Words exit that attend to many others, receive little attention and have a certain label."
    importance_is = "importance by attention"

    focus: float = setting(1.0, "weight of attending to few words")
    received: float = setting(1.0, "weight of the attention that a word receives")
    uncertainty: float = setting(1.0, "weight of the uncertainty of the label")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.focus or self.received or self.uncertainty):
            raise InputError("focus, received and uncertainty are all 0. Raise one of them.")

    def importance(self, gate: Gate) -> Values:
        first, *others = (
            gate.standardised(term(gate)) * gate.number_of(name)
            for name, (_, term) in TERMS.items()
            if getattr(self, name)
        )
        return sum(others, first)

    @property
    def signals(self) -> frozenset[str]:
        return frozenset(signal for name, (signal, _) in TERMS.items() if getattr(self, name))
