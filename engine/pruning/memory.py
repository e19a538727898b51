"""The memory buffer: what is kept of words that exited, so every word gets a label and may come back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from engine.model.packing import RaggedBatch
from engine.pruning.gate import Decision
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class LayerRun:
    """One layer over one batch.

    ``computed``: rows of each window that it computed, ``(windows,)``.
    ``visible``: rows of each window that served as keys and values, ``(windows,)``.
    """

    number: int
    computed: tuple[int, ...]
    visible: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class HeadOutput:
    """Output of the label head after layer ``number``.

    ``words``: int64 ``(n,)``.
    ``logits``: ``(n, labels)`` of these words.
    """

    number: int
    words: np.ndarray
    logits: Tensor


@dataclass(frozen=True, eq=False)
class GateRecord:
    """What happened at the gate after a layer and its label head."""

    layer: LayerRun
    head: HeadOutput
    decision: Decision

    @property
    def number(self) -> int:
        """The gate's layer."""
        return self.head.number


@dataclass(frozen=True, eq=False)
class Matrix:
    """The packed rows ``(rows, hidden)`` at a gate before words exited, and where each row belongs."""

    batch: RaggedBatch
    hidden: Tensor


@dataclass(eq=False)
class MemoryBuffer:
    """Latest label distribution of every word of a batch, where it exited, and the rows that were computed.

    ``probabilities``: float32 ``(words, labels)``.
    ``alive``: bool ``(words,)``, words that have not exited.
    ``exit_at``: int64 ``(words,)``, the layer after which a word exited, or the last one.
    ``recovered``: bool ``(words,)``, words that exited and came back.
    ``heads``: output of every label head that ran.
    ``gates``: what was decided at each gate.
    ``layers``: every layer that ran.
    ``matrices``: packed rows at each gate before words exited, until `forget`.
    ``last``: packed rows after the last layer, of each pass, until `forget`.
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
        """An empty buffer: every word is alive."""
        words = len(batch.words)
        return cls(
            batch,
            labels,
            probabilities=np.zeros((words, len(labels)), dtype=np.float32),
            alive=np.ones(words, dtype=bool),
            exit_at=np.full(words, layers),
            recovered=np.zeros(words, dtype=bool),
        )

    def computed(self, number: int, batch: RaggedBatch) -> None:
        """Records that a layer ran."""
        self.layers.append(LayerRun(number, batch.computed, batch.lengths))

    def update(self, head: HeadOutput) -> None:
        """Sets the label distribution of the words that a label head has seen."""
        self.heads.append(head)
        self.probabilities[head.words] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, decision: Decision, matrix: Matrix) -> None:
        """Records the decision at the gate of the latest label head and lets the words exit."""
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
        """Frees the matrices and what the encoder cached with the batch, once no word can come back."""
        self.matrices.clear()
        self.last.clear()
        self.batch.kept.clear()
