"""The controller ``rule``: words exit when their importance is low compared with the rest of their window."""

from __future__ import annotations

import math
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

    Importance is the uncertainty of the gate's label: log(1 − top probability), because most words are certain. μ and σ
    are those of the alive words of the window.
    """

    kind = "rule"
    description = "Words exit whose label is certain compared with the rest of their window."

    lambda_: float = setting(0.0, "a larger λ prunes more", -2.0, 2.0, on_page=True)
    neighbours: int = setting(1, "how many words on either side of a predicted entity stay", 0, 16, kind="whole")
    min_keep_ratio: float = min_keep_ratio(0.1)

    @property
    def importance_is(self) -> str:
        """The uncertainty of the word's label."""
        return "the uncertainty of the word's label in its window, log(1 − its probability)"

    @property
    def signals(self) -> frozenset[str]:
        """The probability of the word's label."""
        return frozenset({"confidence"})

    def __call__(self, gate: GateView) -> Decision:
        importance = np.log((1 - gate.confidence).clip(min=1e-6))
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
    def form(self) -> tuple[Any, ...]:
        """The settings that change the graph."""
        return self.kind, self.neighbours, self.min_keep_ratio > 0

    def compose(self, gate: GraphGateView) -> tuple[Node, Node]:
        """Decides in operations of a graph."""
        importance = gate.log(gate.complement(gate.confidence))
        mean, std = gate.mean_std(importance)
        exits = gate.below(importance, mean + std * gate.number("lambda"))
        stays = gate.without(exits, gate.near(gate.entity, self.neighbours))
        if self.min_keep_ratio:
            stays = gate.keep_minimum(stays, importance, gate.number("floor"))
        return stays, importance

    def numbers(self, index: int, words: int) -> dict[str, float]:
        """λ and the minimum number of words that stay."""
        return {"lambda": self.lambda_, "floor": math.ceil(words * self.min_keep_ratio)}
