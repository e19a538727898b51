"""Recomputes every word's scores at each gate of a finished pass on demand, outside timed calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.model.gated import GatedModel
from engine.pruning.controllers.base import Controller, Reason
from engine.pruning.controllers.mlp import NEIGHBOURS, Network
from engine.pruning.forward import forward
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import MemoryBuffer
from engine.pruning.strategy import Strategy


@dataclass(frozen=True)
class WordScores:
    """One word at one gate that it reached.

    Args:
        layer: number of the gate's layer.
        label: label that the gate's head predicts.
        confidence: probability of this label, 0–1.
        entropy: normalised entropy of the head's label distribution, 0–1.
        windowed_entropy: largest entropy among the word and its neighbours, 0–1.
        attention_received: attention that the word receives, 1 on average over a window's rows.
        attention_entropy: normalised entropy of the attention that the word pays, 0–1.
        risk: the learned controller's estimate, 0–1; ``None`` if the weights have no network for this gate.
        importance: the score by which the strategy decides; infinite for words that may not exit.
        threshold: importance up to which a word may exit; ``None`` if no controller chooses words.
        exited: whether the word exited here.
        reason: why it exited or stayed, see `Controller.reasons`; ``None`` if no controller chooses words.
    """

    layer: int
    label: str
    confidence: float
    entropy: float
    windowed_entropy: float
    attention_received: float
    attention_entropy: float
    risk: float | None
    importance: float
    threshold: float | None
    exited: bool
    reason: Reason | None


def neighbours_of(strategy: Strategy) -> int:
    """The words on each side that ``windowed_entropy`` considers: as many as the controller, or else `NEIGHBOURS`."""
    return getattr(strategy.controller, "neighbours", NEIGHBOURS) or NEIGHBOURS


def explain(
    model: GatedModel, memory: MemoryBuffer, strategy: Strategy, network: Network | None = None
) -> list[tuple[WordScores, ...]]:
    """Returns each word's scores at every gate from the first to the one at which it exited.

    Runs the batch again with the recorded decisions. Recovery adds nothing, because it has no gates.
    """
    decisions = {record.number: record.decision for record in memory.gates}
    found: list[list[WordScores]] = [[] for _ in range(len(memory.batch.words))]
    names = model.labels.names

    def replay(gate: Gate) -> Decision:
        decision = decisions[gate.number]
        windowed = gate.near(gate.entropy, neighbours_of(strategy))
        risk = network.risk(gate) if network is not None and gate.number in network.layers else None
        threshold: np.ndarray | None = None
        reasons: Sequence[Reason | None] = [None] * len(gate.words)
        if isinstance(strategy.controller, Controller):
            threshold = strategy.controller.threshold(gate, decision.importance)
            reasons = strategy.controller.reasons(gate, decision)
        for word in np.flatnonzero(gate.alive).tolist():
            found[word].append(
                WordScores(
                    layer=gate.number,
                    label=names[int(gate.labels[word])],
                    confidence=float(gate.confidence[word]),
                    entropy=float(gate.entropy[word]),
                    windowed_entropy=float(windowed[word]),
                    attention_received=float(gate.attention_received[word]),
                    attention_entropy=float(gate.attention_entropy[word]),
                    risk=None if risk is None else float(risk[word]),
                    importance=float(decision.importance[word]),
                    threshold=None if threshold is None else float(threshold[word]),
                    exited=bool(decision.exits[word]),
                    reason=reasons[word],
                )
            )
        return decision

    if decisions:
        with torch.inference_mode():
            forward(model, replace(memory.batch), strategy.gates, replay, min_exit_ratio=0.0)
    return [tuple(scores) for scores in found]
