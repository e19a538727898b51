"""The scores of words at each gate of a finished pass, computed on demand, outside timed calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.pruning.controllers.base import Controller, Reason
from engine.pruning.controllers.mlp import NEIGHBOURS
from engine.pruning.record import GateRecord, Record
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class WordScores:
    """One word at one gate that it reached.

    Args:
        layer: number of the gate's layer.
        label: label that the gate's head predicts.
        confidence: probability of this label, 0–1.
        entropy: normalised entropy of the head's label distribution, 0–1.
        windowed_entropy: largest entropy among the word and its neighbours, 0–1.
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
    importance: float
    threshold: float | None
    exited: bool
    reason: Reason | None


def neighbours_of(strategy: Strategy) -> int:
    """The words on each side that ``windowed_entropy`` considers: as many as the controller, or else `NEIGHBOURS`."""
    return getattr(strategy.controller, "neighbours", NEIGHBOURS) or NEIGHBOURS


def explain(record: Record, strategy: Strategy) -> list[tuple[WordScores, ...]]:
    """Returns the scores of the words that a window labels at every gate, from the first to the one where each exited.

    Recovery adds nothing, because it has no gates.
    """
    own = range(record.own.start, record.own.stop)
    scores: list[list[WordScores]] = [[] for _ in own]
    for index, gate in enumerate(record.gates):
        for word, score in _scores(gate, index, record.labels, strategy, own):
            scores[word - own.start].append(score)
    return [tuple(of_word) for of_word in scores]


def _scores(
    record: GateRecord, index: int, labels: LabelSet, strategy: Strategy, own: range
) -> Iterator[tuple[int, WordScores]]:
    """Yields those of these words that reached a gate, with their scores there."""
    controller, decision = strategy.controller, record.decision
    gate = record.view(index, labels, controller.numbers(index) if controller else {})
    columns = {
        "confidence": gate.confidence,
        "entropy": gate.entropy,
        "windowed_entropy": gate.near(gate.entropy, neighbours_of(strategy)),
        "importance": decision.importance,
    }
    reasons: Sequence[Reason | None] = [None] * len(gate.words)
    if isinstance(controller, Controller):
        threshold = controller.threshold(gate, decision.importance)
        columns["threshold"] = np.broadcast_to(threshold, len(gate.words))
        reasons = controller.reasons(gate, decision)
    for word in own:
        if gate.alive[word]:
            numbers: dict[str, Any] = {name: float(column[word]) for name, column in columns.items()}
            label, exited = labels.names[int(gate.labels[word])], bool(decision.exits[word])
            yield (
                word,
                WordScores(
                    layer=gate.number,
                    label=label,
                    exited=exited,
                    reason=reasons[word],
                    **({"threshold": None} | numbers),
                ),
            )
