"""What was known of every word at every gate of a finished run. Computed again on demand, never inside a timed call."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.model.gated import GatedModel
from engine.pruning.controllers import Decision, EntropyController, Gate, RuleController
from engine.pruning.forward import forward
from engine.pruning.learned import NEIGHBOURS, LearnedController, Network
from engine.pruning.memory import GateRecord, MemoryBuffer
from engine.pruning.signals import neighbour_max, normalised_entropy
from engine.pruning.strategy import Strategy

Choosing = EntropyController | RuleController | LearnedController
LEFT, NEED, ENTITY, WHOLE, MINIMUM, FEW = "left", "need", "entity", "whole", "minimum", "few"


@dataclass(frozen=True)
class WordScores:
    """One word at one gate that it reached.

    Args:
        layer: the gate's.
        label: the gate head's.
        confidence: its probability, 0–1.
        entropy: of the head's label distribution, normalised, 0–1.
        windowed_entropy: the largest one among the word and its neighbours.
        attention_received: 1 on average over a window's rows.
        attention_entropy: normalised, 0–1.
        risk: what the learned controller's network says, 0–1; ``None`` where the weights have none for this gate.
        need: the score by which the strategy decides; infinite for words that may not leave.
        threshold: up to which need a word may leave; ``None`` for strategies that do not ask for need.
        left: whether the word left here.
        reason: why: ``left``, its need is low; it stayed since ``need`` is not; since it is of an ``entity`` or beside
            one; since an entity leaves as a ``whole`` or not at all; for ``minimum`` keep; since too ``few`` words of
            the window would have left; empty for strategies that do not ask for need.
    """

    layer: int
    label: str
    confidence: float
    entropy: float
    windowed_entropy: float
    attention_received: float
    attention_entropy: float
    risk: float | None
    need: float
    threshold: float | None
    left: bool
    reason: str


def explain(
    model: GatedModel, memory: MemoryBuffer, strategy: Strategy, network: Network | None = None
) -> list[tuple[WordScores, ...]]:
    """The scores of every word of a finished run's batch, from its first gate to the one at which it left.

    Runs the batch again, replaying the decisions; a rerun for recovery has no gates and adds nothing.
    """
    records = {record.number: record for record in memory.gates}
    found: list[list[WordScores]] = [[] for _ in range(len(memory.batch.words))]
    names = model.labels.names

    def replay(gate: Gate) -> Decision:
        record = records[gate.number]
        entropy = normalised_entropy(gate.probabilities)
        windowed = neighbour_max(entropy, gate.words.window, NEIGHBOURS)
        received, paid = gate.attention_received(), gate.attention_entropy()
        risk = network.risk(gate) if network is not None and gate.number in network.layers else None
        controller = strategy.controller
        threshold = reasons = None
        if isinstance(controller, Choosing):
            threshold = controller.threshold(gate, record.need)
            reasons = _reasons(controller, gate, record, threshold)
        for word in np.flatnonzero(gate.alive).tolist():
            found[word].append(
                WordScores(
                    layer=gate.number,
                    label=names[int(gate.labels[word])],
                    confidence=float(gate.probabilities[word].max()),
                    entropy=float(entropy[word]),
                    windowed_entropy=float(windowed[word]),
                    attention_received=float(received[word]),
                    attention_entropy=float(paid[word]),
                    risk=None if risk is None else float(risk[word]),
                    need=float(record.need[word]),
                    threshold=None if threshold is None else float(threshold[word]),
                    left=bool(record.leaves[word]),
                    reason="" if reasons is None else reasons[word],
                )
            )
        return Decision(record.leaves, record.need)

    if records:
        with torch.inference_mode():
            forward(model, memory.batch, strategy.gates, replay, strategy.context)
    return [tuple(scores) for scores in found]


def _reasons(controller: Choosing, gate: Gate, record: GateRecord, threshold: np.ndarray) -> list[str]:
    """Why each word left or stayed, from what the controller decides without its minimum, with it, and what came of it.

    Where the controller lets a word go that stayed, the window was not worth while.
    """
    need = record.need
    low = need < threshold if isinstance(controller, RuleController) else need <= threshold
    whole = not isinstance(controller, RuleController) and controller.exit_entities
    unbounded, decided = (one(gate).leaves for one in (replace(controller, min_keep_ratio=0.0), controller))
    rules = [record.leaves, np.isinf(need), ~low, ~unbounded, ~decided]
    found: list[str] = np.select(rules, [LEFT, ENTITY, NEED, WHOLE if whole else ENTITY, MINIMUM], FEW).tolist()
    return found
