"""Recovery: which windows look doubtful at the end, and which of their words come back. Pure code on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from engine.errors import InputError
from engine.pruning.controllers import check_number
from engine.pruning.memory import MemoryBuffer
from engine.pruning.signals import lowest_per_window, normalised_entropy


@dataclass(frozen=True)
class Recovery:
    """When a window is doubtful, and how many of its words come back: those least certain when they left.

    Args:
        trigger: ``confidence``, ``entropy_spike``, ``entity_loss`` or ``any`` of them.
        min_confidence: τ, ``confidence`` fires where a survivor's top probability lies below it. Where all words of a
            window left, those that left last are its survivors.
        max_rise: δ, ``entropy_spike`` fires where a survivor's normalised entropy rose by more since its last gate.
        recovery_limit: words of a window that come back at most.
    """

    trigger: str = "any"
    min_confidence: float = 0.5
    max_rise: float = 0.3
    recovery_limit: int = 64

    def __post_init__(self) -> None:
        if self.trigger not in (*TRIGGERS, "any"):
            raise InputError(
                f"expected a trigger out of {[*TRIGGERS, 'any']}, got {self.trigger!r}; choose one of them"
            )
        check_number("min_confidence", self.min_confidence, 0, 1)
        check_number("max_rise", self.max_rise, -1, 1)
        check_number("recovery_limit", self.recovery_limit, 1, 100_000, whole=True)

    def fires(self, memory: MemoryBuffer) -> np.ndarray:
        """The windows, bool ``(windows,)``, that are doubtful."""
        names = TRIGGERS if self.trigger == "any" else (self.trigger,)
        doubtful = np.zeros(len(memory.batch.words), dtype=bool)
        for name in names:
            doubtful |= TRIGGERS[name](self, memory)
        return np.bincount(memory.batch.words.window[doubtful], minlength=len(memory.batch.lengths)) > 0

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """The words, bool ``(words,)``, that come back after a finished pass."""
        window = memory.batch.words.window
        candidates = ~memory.alive & self.fires(memory)[window]
        # Words that left have the label distribution of the gate at which they did.
        certainty = -normalised_entropy(memory.probabilities)
        return lowest_per_window(certainty, candidates, window, np.full(len(memory.batch.lengths), self.recovery_limit))


def survivors(memory: MemoryBuffer) -> np.ndarray:
    """Words, bool ``(words,)``, that stayed longest in their window: to the end, or to a gate at which all left."""
    window = memory.batch.words.window
    latest = np.zeros(len(memory.batch.lengths), dtype=np.int64)
    np.maximum.at(latest, window, memory.left_at)
    return memory.left_at == latest[window]


def low_confidence(recovery: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose top probability at their last head lies below τ."""
    return survivors(memory) & (memory.probabilities.max(-1) < recovery.min_confidence)


def entropy_spike(recovery: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose entropy has risen by more than δ from the gate before to their last head."""
    before = np.full(len(memory.alive), np.inf)
    for record in memory.gates:
        entropy = normalised_entropy(_probabilities(record.head.logits))
        went_on = memory.left_at[record.head.words] > record.number
        before[record.head.words[went_on]] = entropy[went_on]
    return survivors(memory) & (normalised_entropy(memory.probabilities) - before > recovery.max_rise)


def entity_loss(_: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Words, bool ``(words,)``, of an entity at some gate that are outside at the end, or inside without a head."""
    labels = memory.probabilities.argmax(-1)
    was_entity = np.zeros(len(labels), dtype=bool)
    for record in memory.gates:
        was_entity[record.head.words] |= record.head.logits.argmax(-1).numpy(force=True) > 0
    window = memory.batch.words.window
    inside = (labels > 0) & (labels % 2 == 0)
    headed = np.zeros(len(labels), dtype=bool)
    headed[1:] = ((labels[1:] + 1) // 2 == (labels[:-1] + 1) // 2) & (window[1:] == window[:-1])
    return (was_entity & (labels == 0)) | (inside & ~headed)


def _probabilities(logits: Tensor) -> np.ndarray:
    return logits.float().softmax(-1).numpy(force=True)


TRIGGERS: dict[str, Callable[[Recovery, MemoryBuffer], np.ndarray]] = {
    "confidence": low_confidence,
    "entropy_spike": entropy_spike,
    "entity_loss": entity_loss,
}
