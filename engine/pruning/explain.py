"""The scores of words at each gate of a finished pass, computed on demand, outside timed calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.pruning.controllers.base import Controller, Reason
from engine.pruning.controllers.mlp import NEIGHBOURS
from engine.pruning.gate import Decision, GateView
from engine.pruning.record import Record
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


def explain(record: Record, strategy: Strategy, words: slice) -> list[tuple[WordScores, ...]]:
    """Returns the scores of some words at every gate from the first to the one at which each exited.

    Args:
        record: a finished pass. Recovery adds nothing to its gates, because it has none.
        strategy: the strategy of the pass.
        words: which of its words.
    """
    found: list[list[WordScores]] = [[] for _ in range(words.start, words.stop)]
    alive, probabilities = np.ones(len(record.words), dtype=bool), np.zeros_like(record.probabilities)
    for index, one in enumerate(record.gates):
        probabilities = probabilities.copy()
        probabilities[one.words] = one.probabilities
        gate = GateView(one.number, index, record.words, alive, probabilities, record.labels, rows=one)
        for word, scores in _scores(gate, one.decision, strategy, words):
            found[word - words.start].append(scores)
        alive = alive & ~one.decision.exits
    return [tuple(scores) for scores in found]


def _scores(gate: GateView, decision: Decision, strategy: Strategy, words: slice) -> Iterator[tuple[int, WordScores]]:
    """Yields those of these words that reached a gate, with their scores there."""
    controller, names = strategy.controller, gate.label_set.names
    threshold: np.ndarray | None = None
    reasons: Sequence[Reason | None] = [None] * len(gate.words)
    if isinstance(controller, Controller):
        threshold, reasons = controller.threshold(gate, decision.importance), controller.reasons(gate, decision)
    columns = {
        "confidence": gate.confidence,
        "entropy": gate.entropy,
        "windowed_entropy": gate.near(gate.entropy, neighbours_of(strategy)),
        "importance": decision.importance,
        "threshold": threshold,
    }
    for word in (words.start + np.flatnonzero(gate.alive[words])).tolist():
        numbers: dict[str, Any] = {name: None if of is None else float(of[word]) for name, of in columns.items()}
        label, exited = names[int(gate.labels[word])], bool(decision.exits[word])
        yield word, WordScores(layer=gate.number, label=label, exited=exited, reason=reasons[word], **numbers)
