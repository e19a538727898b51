"""Recovery finds the windows that are doubtful at the end of a pass and chooses which of their words come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.pruning.memory import MemoryBuffer
from engine.pruning.settings import check_settings, setting
from engine.pruning.signals import lowest_per_window, normalised_entropy

ANY = "any"


@dataclass(frozen=True)
class Recovery:
    """Decides when a window is doubtful and how many of its words come back, the least certain at their exit first.

    ``confidence`` fires if a survivor's top probability is low, ``entropy_spike`` if a survivor's entropy rose since
    its last gate, ``entity_loss`` if an entity found at some gate has disappeared or lost its beginning by the end
    (nearly always with IOB1, where entities rarely have a ``B``), and ``any`` if any of these fires. If all words of a
    window exited, those that exited last are its survivors.
    """

    trigger: str = setting(
        ANY,
        "when a window counts as doubtful",
        kind="choice",
        choices=("confidence", "entropy_spike", "entity_loss", ANY),
    )
    min_confidence: float = setting(0.5, "confidence fires where a survivor's top probability lies below it")
    max_rise: float = setting(0.3, "entropy_spike fires where a survivor's normalised entropy rose by more", -1, 1)
    recovery_limit: int = setting(64, "maximum number of words that come back in a window", 1, 100_000, kind="whole")

    def __post_init__(self) -> None:
        check_settings(self)

    def fires(self, memory: MemoryBuffer) -> np.ndarray:
        """Returns the doubtful windows, bool ``(windows,)``."""
        names = TRIGGERS if self.trigger == ANY else (self.trigger,)
        doubtful = np.logical_or.reduce([TRIGGERS[name](self, memory) for name in names])
        return np.bincount(memory.batch.words.window[doubtful], minlength=len(memory.batch.lengths)) > 0

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        window = memory.batch.words.window
        candidates = ~memory.alive & self.fires(memory)[window]
        # Words that exited keep the label distribution of the gate where they exited.
        certainty = -normalised_entropy(memory.probabilities)
        return lowest_per_window(certainty, candidates, window, np.full(len(memory.batch.lengths), self.recovery_limit))


def survivors(memory: MemoryBuffer) -> np.ndarray:
    """The words, bool ``(words,)``, that stayed longest in their window: to the end, or until its last words exited."""
    window = memory.batch.words.window
    latest = np.zeros(len(memory.batch.lengths), dtype=np.int64)
    np.maximum.at(latest, window, memory.exit_at)
    return memory.exit_at == latest[window]


def low_confidence(recovery: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose top probability at their last head is below ``min_confidence``."""
    return survivors(memory) & (memory.probabilities.max(-1) < recovery.min_confidence)


def entropy_spike(recovery: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose entropy rose by more than ``max_rise`` from a gate to their last head."""
    before = np.full(len(memory.alive), np.inf)
    for record in memory.gates:
        entropy = normalised_entropy(record.head.logits.float().softmax(-1).numpy(force=True))
        went_on = memory.exit_at[record.head.words] > record.number
        before[record.head.words[went_on]] = entropy[went_on]
    return survivors(memory) & (normalised_entropy(memory.probabilities) - before > recovery.max_rise)


def entity_loss(_: Recovery, memory: MemoryBuffer) -> np.ndarray:
    """Words, bool ``(words,)``, in an entity at some gate but not at the end, or inside one that has no beginning."""
    labels = memory.probabilities.argmax(-1)
    was_entity = np.zeros(len(labels), dtype=bool)
    for record in memory.gates:
        was_entity[record.head.words] |= record.head.logits.argmax(-1).numpy(force=True) > 0
    window = memory.batch.words.window
    continues = memory.labels.continues(labels)
    continues[1:] &= window[1:] == window[:-1]
    return (was_entity & (labels == 0)) | (memory.labels.inside[labels] & ~continues)


TRIGGERS: dict[str, Callable[[Recovery, MemoryBuffer], np.ndarray]] = {
    "confidence": low_confidence,
    "entropy_spike": entropy_spike,
    "entity_loss": entity_loss,
}
