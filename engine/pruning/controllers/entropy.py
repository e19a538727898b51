"""The controller ``entropy``: words exit when their own label and their neighbours' are certain."""

from dataclasses import dataclass

from engine.pruning.controllers.base import ThresholdController
from engine.pruning.gate import Gate, Values
from engine.settings import setting


@dataclass(frozen=True)
class EntropyController(ThresholdController):
    """Words exit when the gate's label distribution is certain for them and their neighbours.

    Early exit by entropy follows DeeBERT (Xin et al. 2020); a window of neighbours follows SENTEE and TOKEE
    (Li et al. 2021). At a gate with threshold 1 every word that may exit does.
    """

    kind = "entropy"
    description = (
        "Words exit when the gate is certain of their label and of those of the neighbours that count; at a gate with "
        "threshold 1 every word that may exit does, certain or not."
    )
    importance_is = "uncertainty of it or its least certain neighbour"
    threshold_name = "max_entropy"

    max_entropy: float | tuple[float, ...] = setting(0.1, "normalised entropy up to which a label is certain")
    neighbours: int = setting(1, "how many words on either side must also be certain before a word exits", 0, 16)

    def importance(self, gate: Gate) -> Values:
        return gate.near(gate.entropy, self.neighbours)

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({"entropy", "windowed_entropy"} if self.neighbours else {"entropy"})
