"""Recovery finds windows that are doubtful at the end of a pass and chooses which of their words come back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.pruning.record import WindowRecord
from engine.pruning.signals import normalised_entropy
from engine.settings import check_settings, setting

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
        choices=("confidence", "entropy_spike", "entity_loss", ANY),
    )
    min_confidence: float = setting(0.5, "confidence fires where a survivor's top probability lies below it")
    max_rise: float = setting(0.3, "entropy_spike fires where a survivor's normalised entropy rose by more", -1, 1)
    recovery_limit: int = setting(64, "maximum number of words that come back in a window", 1, 100_000)

    def __post_init__(self) -> None:
        check_settings(self)

    def fires(self, record: WindowRecord) -> bool:
        """Whether a window is doubtful."""
        names = TRIGGERS if self.trigger == ANY else (self.trigger,)
        return any(TRIGGERS[name](self, record).any() for name in names)

    def choose(self, record: WindowRecord) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        chosen = np.zeros(len(record.exited), dtype=bool)
        if record.exited.any() and self.fires(record):
            # Words that exited keep the label distribution of the gate where they exited.
            exited = np.flatnonzero(record.exited)
            doubt = -normalised_entropy(record.probabilities[exited])
            chosen[exited[doubt.argsort(kind="stable")[: self.recovery_limit]]] = True
        return chosen


def survivors(record: WindowRecord) -> np.ndarray:
    """The words, bool ``(words,)``, that stayed longest: to the end, or until the last words exited."""
    return record.exit_at == record.exit_at.max(initial=0)


def low_confidence(recovery: Recovery, record: WindowRecord) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose top probability at their last head is below ``min_confidence``."""
    return survivors(record) & (record.probabilities.max(-1) < recovery.min_confidence)


def entropy_spike(recovery: Recovery, record: WindowRecord) -> np.ndarray:
    """Survivors, bool ``(words,)``, whose entropy rose by more than ``max_rise`` from a gate to their last head."""
    before = np.full(len(record.exited), np.inf)
    for gate in record.gates:
        went_on = gate.is_alive & (record.exit_at > gate.number)
        before[went_on] = normalised_entropy(gate.probabilities[went_on])
    return survivors(record) & (normalised_entropy(record.probabilities) - before > recovery.max_rise)


def entity_loss(_: Recovery, record: WindowRecord) -> np.ndarray:
    """Words, bool ``(words,)``, in an entity at some gate but not at the end, or inside one that has no beginning."""
    labels = record.probabilities.argmax(-1)
    was_entity = np.zeros(len(labels), dtype=bool)
    for gate in record.gates:
        was_entity |= gate.is_alive & (gate.probabilities.argmax(-1) > 0)
    return (was_entity & (labels == 0)) | (record.labels.inside[labels] & ~record.labels.continues(labels))


TRIGGERS: dict[str, Callable[[Recovery, WindowRecord], np.ndarray]] = {
    "confidence": low_confidence,
    "entropy_spike": entropy_spike,
    "entity_loss": entity_loss,
}
