"""The memory buffer keeps labels and hidden states of exited words, so that every word has a label and may return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from engine.model.packing import RaggedBatch
from engine.pruning.gate import Decision
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class LayerRun:
    """One run of a layer over a batch.

    ``rows``: number of rows in each window, ``(windows,)``.
    """

    number: int
    rows: tuple[int, ...]


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
class GateRecord:
    """A gate of a finished pass: the layer before it, the output of its label head, and the decision."""

    layer: LayerRun
    head: HeadOutput
    decision: Decision

    @property
    def number(self) -> int:
        """Number of the gate's layer."""
        return self.head.number


@dataclass(frozen=True, eq=False)
class Matrix:
    """Packed hidden states ``(rows, hidden)`` and the batch that says where each row belongs."""

    batch: RaggedBatch
    hidden: Tensor


@dataclass(eq=False)
class MemoryBuffer:
    """Each word's latest label distribution and exit, and a record of the heads, gates and layers of the pass.

    ``probabilities``: float32 ``(words, labels)``.
    ``alive``: bool ``(words,)``, words that have not exited.
    ``exit_at``: int64 ``(words,)``, the layer after which each word exited; the last layer for words that did not.
    ``recovered``: bool ``(words,)``, words that exited and came back.
    ``heads``: the output of every label head that ran, in order.
    ``gates``: the record of every gate, in order.
    ``layers``: every layer that ran, in order.
    ``matrices``: layer → hidden states at its gate before words exited; empty after `forget`.
    ``last``: hidden states after the last layer, one matrix per pass; empty after `forget`.
    """

    batch: RaggedBatch
    labels: LabelSet
    probabilities: np.ndarray
    alive: np.ndarray
    exit_at: np.ndarray
    recovered: np.ndarray
    heads: list[HeadOutput] = field(default_factory=list)
    gates: list[GateRecord] = field(default_factory=list)
    layers: list[LayerRun] = field(default_factory=list)
    matrices: dict[int, Matrix] = field(default_factory=dict)
    last: list[Matrix] = field(default_factory=list)

    @classmethod
    def of(cls, batch: RaggedBatch, labels: LabelSet, layers: int) -> MemoryBuffer:
        """Creates the buffer for a new pass, in which every word is alive."""
        words = len(batch.words)
        return cls(
            batch,
            labels,
            probabilities=np.zeros((words, len(labels)), dtype=np.float32),
            alive=np.ones(words, dtype=bool),
            exit_at=np.full(words, layers),
            recovered=np.zeros(words, dtype=bool),
        )

    def record_layer(self, number: int, batch: RaggedBatch) -> None:
        """Records that a layer ran."""
        self.layers.append(LayerRun(number, batch.lengths))

    def update(self, head: HeadOutput) -> None:
        """Records the output of a label head and updates its words' label distributions."""
        self.heads.append(head)
        self.probabilities[head.words] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, decision: Decision, matrix: Matrix) -> None:
        """Records the decision at the gate of the latest label head and removes the words that exit."""
        record = GateRecord(self.layers[-1], self.heads[-1], decision)
        self.gates.append(record)
        self.matrices[record.number] = matrix
        self.alive = self.alive & ~decision.exits
        self.exit_at[decision.exits] = record.number

    def recall(self, words: np.ndarray) -> None:
        """Marks words, bool ``(words,)``, as recovered: they are alive again."""
        self.recovered = words
        self.alive = self.alive | words

    def forget(self) -> None:
        """Frees the matrices and the encoder's cache in the batch; afterwards no word can be recovered."""
        self.matrices.clear()
        self.last.clear()
        self.batch.cached.clear()
