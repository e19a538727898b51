"""The memory buffer: what is known of words that left, so that every word gets a label."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from engine.controllers import Decision
from engine.ragged import RaggedBatch


@dataclass(frozen=True)
class HeadOutput:
    """What the label head after layer ``number`` said: ``logits`` ``(n, labels)`` of ``words`` int64 ``(n,)``."""

    number: int
    words: np.ndarray
    logits: Tensor


@dataclass(frozen=True)
class GateRecord:
    """What happened at the gate after a head: ``leaves`` bool and ``need`` float, both ``(words,)``."""

    head: HeadOutput
    leaves: np.ndarray
    need: np.ndarray

    @property
    def number(self) -> int:
        """The gate's layer."""
        return self.head.number


@dataclass
class MemoryBuffer:
    """Latest label distribution of every word of a batch, where it left, and the rows that were computed.

    ``probabilities`` float32 ``(words, labels)``; ``alive`` bool ``(words,)``; ``left_at`` int64 ``(words,)``, the
    layer after which the word left, or the last one; ``heads``: output of every head that ran; ``gates``: what
    controllers decided; ``lengths``: rows of each window for each layer computed.
    """

    batch: RaggedBatch
    probabilities: np.ndarray
    alive: np.ndarray
    left_at: np.ndarray
    heads: list[HeadOutput] = field(default_factory=list)
    gates: list[GateRecord] = field(default_factory=list)
    lengths: list[tuple[int, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, batch: RaggedBatch, labels: int, layers: int) -> MemoryBuffer:
        """An empty buffer: every word is alive."""
        words = len(batch.words)
        return cls(
            batch,
            probabilities=np.zeros((words, labels), dtype=np.float32),
            alive=np.ones(words, dtype=bool),
            left_at=np.full(words, layers),
        )

    def update(self, head: HeadOutput) -> None:
        """Sets the label distribution of the words that a head has seen."""
        self.heads.append(head)
        self.probabilities[head.words] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, decision: Decision) -> None:
        """Records the decision at the gate of the latest head and lets the words leave."""
        record = GateRecord(self.heads[-1], decision.leaves, decision.need)
        self.gates.append(record)
        self.alive = self.alive & ~decision.leaves
        self.left_at[decision.leaves] = record.number

    def leave_counts(self) -> dict[int, np.ndarray]:
        """For each gate, how many words left in each window, int64 ``(windows,)``."""
        words = self.batch.words
        return {
            record.number: np.bincount(words.window[record.leaves], minlength=len(words.counts))
            for record in self.gates
        }
