"""The controller ``entropy``: words exit when their own label and their neighbours' are certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.pruning.controllers.base import ThresholdController, exit_entities, min_keep_ratio
from engine.pruning.gate import Decision, GateView
from engine.pruning.graph_gate import GraphGateView, Node
from engine.pruning.settings import setting


@dataclass(frozen=True)
class EntropyController(ThresholdController):
    """Words exit when the gate's label distribution is certain for them and their neighbours.

    Early exit by entropy follows DeeBERT (Xin et al. 2020); a window of neighbours follows SENTEE and TOKEE
    (Li et al. 2021). At a gate with threshold 1 every word is certain.
    """

    kind = "entropy"
    description = "Words exit when the gate is certain of their label and, if neighbours count, of theirs too."

    max_entropy: float | tuple[float, ...] = setting(
        0.1, "normalised entropy up to which a label is certain", kind="per gate"
    )
    neighbours: int = setting(
        1, "how many words on either side must be certain too before a word exits", 0, 16, kind="whole"
    )
    exit_entities: bool = exit_entities()
    min_keep_ratio: float = min_keep_ratio(0.0)

    def __call__(self, gate: GateView) -> Decision:
        if self.ends(gate.index):
            return Decision(gate.alive, np.zeros(len(gate.words)))
        return self.decide(gate, self.at(gate.index))

    def decide(self, gate: GateView, threshold: float | np.ndarray) -> Decision:
        """Decides by a threshold, which may be one for all words or ``(words,)``."""
        entropy = gate.entropy if self.exit_entities else np.where(gate.labels > 0, np.inf, gate.entropy)
        importance = gate.near(entropy, self.neighbours)
        return self.exit_below(gate, importance, threshold)

    @property
    def form(self) -> tuple[Any, ...]:
        """The settings that change the graph."""
        return self.kind, self.neighbours, self.exit_entities, self.min_keep_ratio > 0

    def compose(self, gate: GraphGateView) -> tuple[Node, Node]:
        """Decides in operations of a graph."""
        entropy = gate.entropy if self.exit_entities else gate.where(gate.entity, np.inf, gate.entropy)
        importance = gate.near(entropy, self.neighbours)
        return self.stay_above(gate, importance), importance

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

    @property
    def thresholds(self) -> float | tuple[float, ...]:
        """``max_entropy``."""
        return self.max_entropy
