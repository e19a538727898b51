"""The controller ``entropy``: words exit when their own label and their neighbours' are certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.pruning.controllers.base import ThresholdController
from engine.pruning.gate import Gate, Values
from engine.pruning.settings import setting


@dataclass(frozen=True)
class EntropyController(ThresholdController):
    """Words exit when the gate's label distribution is certain for them and their neighbours.

    Early exit by entropy follows DeeBERT (Xin et al. 2020); a window of neighbours follows SENTEE and TOKEE
    (Li et al. 2021). At a gate with threshold 1 every word is certain.
    """

    kind = "entropy"
    description = "Words exit when the gate is certain of their label and, if neighbours count, of theirs too."
    threshold_name = "max_entropy"

    max_entropy: float | tuple[float, ...] = setting(
        0.1, "normalised entropy up to which a label is certain", kind="per gate", number=True
    )
    neighbours: int = setting(
        1, "how many words on either side must be certain too before a word exits", 0, 16, kind="whole"
    )

    def importance(self, gate: Gate) -> Values:
        """The largest entropy of the word and its neighbours."""
        entropy = gate.entropy if self.exit_entities else gate.where(gate.entity, np.inf, gate.entropy)
        return gate.near(entropy, self.neighbours)

    @property
    def signals(self) -> frozenset[str]:
        """The entropy of the word, and of its neighbours if the controller considers any."""
        return frozenset({"entropy", "windowed_entropy"} if self.neighbours else {"entropy"})

    @property
    def importance_is(self) -> str:
        """The entropy of the word, and of its neighbours if the controller considers any."""
        if not self.neighbours:
            return "the entropy of the word's own label"
        return f"the largest entropy among the word and its neighbours, {self.neighbours} on each side"
