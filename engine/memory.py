"""The memory buffer: what is known of words that left, so that every word gets a label."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.controllers import Decision
from engine.ragged import RaggedBatch


@dataclass(frozen=True)
class GateRecord:
    """What happened at one gate.

    ``alive``: the words it saw, int64 ``(n,)``; ``probabilities`` ``(n, labels)`` of them; ``leaves`` bool and ``need``
    float ``(words,)``.
    """

    number: int
    alive: Tensor
    probabilities: Tensor
    leaves: Tensor
    need: Tensor


@dataclass
class MemoryBuffer:
    """Latest label distribution of every word of a batch, where it left, and the rows that were computed.

    ``probabilities`` float32 ``(words, labels)``; ``alive`` bool ``(words,)``; ``left_at`` int64 ``(words,)``, the
    layer after which the word left, or the last one; ``lengths``: rows of each window for each layer computed.
    """

    batch: RaggedBatch
    probabilities: Tensor
    alive: Tensor
    left_at: Tensor
    gates: list[GateRecord] = field(default_factory=list)
    lengths: list[tuple[int, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, batch: RaggedBatch, labels: int, layers: int) -> MemoryBuffer:
        """An empty buffer: every word is alive."""
        words, device = len(batch.words), batch.word.device
        return cls(
            batch,
            probabilities=torch.zeros(words, labels, device=device),
            alive=torch.ones(words, dtype=torch.bool, device=device),
            left_at=torch.full((words,), layers, device=device),
        )

    def update(self, words: Tensor, logits: Tensor) -> Tensor:
        """Sets the label distribution of ``words`` int64 ``(n,)`` from ``logits`` ``(n, labels)`` and returns it."""
        probabilities = logits.float().softmax(-1)
        self.probabilities[words] = probabilities
        return probabilities

    def remove(self, number: int, words: Tensor, probabilities: Tensor, decision: Decision) -> None:
        """Records the decision at gate ``number`` and lets the words leave."""
        self.gates.append(GateRecord(number, words, probabilities, decision.leaves, decision.need))
        self.alive = self.alive & ~decision.leaves
        self.left_at[decision.leaves] = number

    def leave_counts(self) -> dict[int, Tensor]:
        """For each gate, how many words left in each window, int64 ``(windows,)``."""
        words = self.batch.words
        return {
            record.number: torch.bincount(words.window[record.leaves], minlength=len(words.counts))
            for record in self.gates
        }
