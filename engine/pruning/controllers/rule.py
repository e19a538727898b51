"""The controller ``rule``: words exit when their importance is low compared with the rest of their window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.pruning.controllers.base import Controller, keep_minimum, min_keep_ratio
from engine.pruning.gate import Decision, GateView
from engine.pruning.graph_gate import GraphGateView, Node
from engine.pruning.settings import setting
from engine.pruning.signals import window_mean_std


@dataclass(frozen=True)
class RuleController(Controller):
    """Words whose importance is below μ + λσ of their window exit; words near a predicted entity stay.

    Importance is a weighted sum of the gate head's uncertainty (log of 1 − top probability, because most words are
    certain), attention received (as in PoWER-BERT, Goyal et al. 2020) and attention entropy, each standardised over
    the alive words of the window.
    """

    kind = "rule"
    description = "Words of low importance exit: label uncertainty and attention, compared with their window."

    lambda_: float = setting(0.0, "a larger λ prunes more", -2.0, 2.0, on_page=True, stored_as="lambda")
    uncertainty: float = setting(1.0, "weight of the uncertainty of a word's label", -10, 10)
    attention_received: float = setting(
        0.25, "weight of the attention that a word receives", -10, 10, stored_as="received"
    )
    attention_entropy: float = setting(
        0.0, "weight of the entropy of the attention that a word pays", -10, 10, stored_as="entropy"
    )
    neighbours: int = setting(1, "how many words on either side of a predicted entity stay", 0, 16, kind="whole")
    min_keep_ratio: float = min_keep_ratio(0.1)

    @property
    def importance_is(self) -> str:
        """The word's importance within its window."""
        attention = " and its attention" if self.uses_attention else ""
        return f"the word's importance in its window, from the uncertainty of its label{attention}"

    @property
    def signals(self) -> frozenset[str]:
        """Those with a weight other than 0; others are not computed."""
        weights = {
            "confidence": self.uncertainty,
            "attention_received": self.attention_received,
            "attention_entropy": self.attention_entropy,
        }
        return frozenset(name for name, weight in weights.items() if weight)

    def __call__(self, gate: GateView) -> Decision:
        parts: tuple[tuple[float, Callable[[], np.ndarray]], ...] = (
            (self.uncertainty, lambda: np.log((1 - gate.confidence).clip(min=1e-6))),
            (self.attention_received, lambda: gate.rows.attention_received),
            (self.attention_entropy, lambda: gate.rows.attention_entropy),
        )
        importance = np.zeros(len(gate.words))
        for weight, part in parts:
            if weight:
                importance = importance + weight * gate.standardised(part())
        near_entity = gate.near(gate.labels > 0, self.neighbours)
        exits = self.has_low_importance(gate, importance) & ~near_entity & gate.alive
        if self.min_keep_ratio:
            exits = keep_minimum(exits, importance, gate, self.min_keep_ratio)
        return Decision(exits, importance)

    def threshold(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        """The importance, ``(words,)``, below which words exit: μ + λσ of each word's window."""
        mean, std = window_mean_std(importance, gate.alive, gate.words.window, len(gate.words.counts))
        return (mean + self.lambda_ * std)[gate.words.window]

    def has_low_importance(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        """Words whose importance is strictly below the threshold."""
        return importance < self.threshold(gate, importance)

    @property
    def form(self) -> tuple[Any, ...] | None:
        """The settings that change the graph; ``None`` if attention counts."""
        return None if self.uses_attention else (self.kind, self.neighbours, self.min_keep_ratio > 0)

    def compose(self, gate: GraphGateView) -> tuple[Node, Node]:
        """Decides in operations of a graph."""
        uncertainty = gate.standardised(gate.log(gate.complement(gate.confidence)))
        importance = uncertainty * gate.number("uncertainty")
        mean, std = gate.mean_std(importance)
        exits = gate.below(importance, mean + std * gate.number("lambda"))
        stays = gate.without(exits, gate.near(gate.entity, self.neighbours))
        if self.min_keep_ratio:
            stays = gate.keep_minimum(stays, importance, gate.number("floor"))
        return stays, importance

    def numbers(self, index: int, words: int) -> dict[str, float]:
        """λ, the weight of uncertainty and the minimum number of words that stay."""
        floor = math.ceil(words * self.min_keep_ratio)
        return {"lambda": self.lambda_, "uncertainty": self.uncertainty, "floor": floor}
