"""The memory buffer keeps labels and hidden states of exited words, so that every word has a label and may return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from engine.pruning.gate import Decision
from engine.pruning.record import GateRecord, LayerRun, Record
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet


@dataclass(frozen=True, eq=False)
class HeadOutput:
    """Output of the label head after layer ``number``.

    ``words``: indices of the labelled words, int64 ``(n,)``.
    ``logits``: their logits, ``(n, labels)``.
    """

    number: int
    words: np.ndarray
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Matrix:
    """Packed hidden states ``(rows, hidden)`` and the batch that says where each row belongs."""

    batch: RaggedBatch
    hidden: Tensor


@dataclass(eq=False, kw_only=True)
class MemoryBuffer(Record):
    """The record of a pass while it runs, and what it takes to go on or back.

    ``batch``: the rows before any exited.
    ``heads``: the output of every label head that ran, in order.
    ``matrices``: layer → hidden states at its gate before words exited; empty after `forget`.
    ``last``: hidden states after the last layer, one matrix per pass; empty after `forget`.
    """

    batch: RaggedBatch
    gates: list[GateRecord] = field(default_factory=list)
    heads: list[HeadOutput] = field(default_factory=list)
    matrices: dict[int, Matrix] = field(default_factory=dict)
    last: list[Matrix] = field(default_factory=list)

    @classmethod
    def of(cls, batch: RaggedBatch, labels: LabelSet, layers: int) -> MemoryBuffer:
        """Creates the buffer for a new pass, in which every word is alive."""
        words = len(batch.words)
        return cls(
            words=batch.words,
            rows=batch.lengths,
            labels=labels,
            probabilities=np.zeros((words, len(labels)), dtype=np.float32),
            alive=np.ones(words, dtype=bool),
            exit_at=np.full(words, layers),
            recovered=np.zeros(words, dtype=bool),
            batch=batch,
        )

    def record_layer(self, number: int, batch: RaggedBatch) -> None:
        """Records that a layer ran."""
        self.layers.append(LayerRun(number, batch.lengths))

    def update(self, head: HeadOutput) -> None:
        """Records the output of a label head and updates its words' label distributions."""
        self.heads.append(head)
        self.labelled.append((head.number, head.words))
        self.probabilities[head.words] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, decision: Decision, matrix: Matrix, change: np.ndarray | None) -> None:
        """Records the gate of the latest label head, see `GateRecord`, and removes the words that exit."""
        number, words = self.labelled[-1]
        self.gates.append(GateRecord(number, words, self.probabilities[words], decision, change))
        self.matrices[number] = matrix
        self.alive = self.alive & ~decision.exits
        self.exit_at[decision.exits] = number

    def recall(self, words: np.ndarray) -> None:
        """Marks words, bool ``(words,)``, as recovered: they are alive again."""
        self.recovered = words
        self.alive = self.alive | words

    def forget(self) -> None:
        """Frees hidden states, logits and the encoder's cache in the batch; afterwards no word can be recovered."""
        self.matrices.clear()
        self.last.clear()
        self.heads.clear()
        self.batch.cached.clear()
