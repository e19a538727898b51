"""The pruned pass in PyTorch: runs layers and gates, removes the rows of words that exit, and recovers words.

The dense pass is the same code without gates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.pruning.controllers import Decider
from engine.pruning.gate import OF_ATTENTION, OF_LAYER, ArrayGate, Decision, Gate
from engine.pruning.record import GateRecord, Record, rows_by_layer
from engine.pruning.signals import attention_of
from engine.pruning.strategy import Strategy
from engine.pytorch.model import GatedModel
from engine.pytorch.operations import TorchOperations
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window


@dataclass(frozen=True, eq=False)
class HeadOutput:
    """Output of the label head after layer ``number``.

    ``words``: indices of the labelled words, int64 ``(n,)``.
    ``logits``: their logits, ``(n, labels)``.
    """

    number: int
    words: np.ndarray
    logits: Tensor


@dataclass(eq=False)
class MemoryBuffer:
    """Labels and hidden states of a pass over a batch, so that every word has a label and may return.

    ``probabilities``: float32 ``(words, labels)``, each word's latest label distribution.
    ``alive``: bool ``(words,)``. ``exit_at``: int64 ``(words,)``, the layer after which each word exited.
    ``gates``: every gate so far, over the words of the whole batch.
    ``heads``: the output of every label head that ran, in order.
    ``first``: the batch and the hidden states at the first gate, before words exited.
    """

    batch: RaggedBatch
    labels: LabelSet
    probabilities: np.ndarray
    alive: np.ndarray
    exit_at: np.ndarray
    gates: list[GateRecord] = field(default_factory=list)
    heads: list[HeadOutput] = field(default_factory=list)
    first: tuple[RaggedBatch, Tensor] | None = None

    @classmethod
    def of(cls, batch: RaggedBatch, labels: LabelSet, layers: int) -> MemoryBuffer:
        """Creates the buffer for a new pass, in which every word is alive."""
        words = len(batch.words)
        zeros = np.zeros((words, len(labels)), dtype=np.float32)
        return cls(batch, labels, zeros, np.ones(words, dtype=bool), np.full(words, layers))

    def update(self, head: HeadOutput) -> None:
        """Records the output of a label head and updates its words' label distributions."""
        self.heads.append(head)
        self.probabilities = self.probabilities.copy()
        self.probabilities[head.words] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, number: int, decision: Decision, signals: dict[str, np.ndarray]) -> None:
        """Records a gate and removes the words that exit."""
        self.gates.append(GateRecord(number, self.alive, self.probabilities, decision, signals))
        self.alive = self.alive & ~decision.exits
        self.exit_at[decision.exits] = number

    def records(self, windows: Sequence[Window], layers: int) -> list[Record]:
        """The record of each window."""
        ends = np.cumsum(self.batch.words.counts)
        return [
            self._record(window, slice(end - window.words, end), layers)
            for window, end in zip(windows, ends.tolist(), strict=True)
        ]

    def _record(self, window: Window, own: slice, layers: int) -> Record:
        gates = [
            GateRecord(
                gate.number,
                gate.alive[own],
                gate.probabilities[own],
                Decision(gate.decision.exits[own], gate.decision.importance[own]),
                {name: values[own] for name, values in gate.signals.items()},
            )
            for gate in self.gates
        ]
        bounds = (head.words.searchsorted((own.start, own.stop)).tolist() for head in self.heads)
        labelled = [(head.number, end - start) for head, (start, end) in zip(self.heads, bounds, strict=True)]
        exit_at = self.exit_at[own]
        last = self.heads[-1].number if self.heads else layers
        return Record(
            window=window,
            labels=self.labels,
            probabilities=self.probabilities[own],
            exit_at=exit_at,
            exited=~self.alive[own],
            recovered=np.zeros(window.words, dtype=bool),
            rows=rows_by_layer(window, exit_at, 0, last),
            labelled=[(number, words) for number, words in labelled if words],
            gates=gates,
        )


class KeepAll(Decider):
    """Under it no word exits."""

    kind = "keep-all"

    def decide(self, gate: Gate) -> Decision:
        """Lets no word exit."""
        return Decision(gate.alive & ~gate.alive, gate.where(gate.alive, 1.0, 1.0))


class GivenExits(Decider):
    """Lets words exit where they are told to, int64 ``(words,)``."""

    kind = "given"

    def __init__(self, exits: np.ndarray) -> None:
        self.exits = exits

    def decide(self, gate: Gate) -> Decision:
        """Lets the words exit that are told to exit here."""
        return Decision((self.exits <= gate.number) & gate.alive, np.zeros(len(self.exits)))


def run(
    model: GatedModel, windows: Sequence[Window], strategy: Strategy, exits: Sequence[np.ndarray] | None = None
) -> list[Record]:
    """Runs windows in one batch under a strategy, or with given exits, and returns their records."""
    controller = strategy.controller if exits is None else GivenExits(np.concatenate(exits))
    batch = RaggedBatch.from_windows(windows)
    layers = model.encoder.num_layers
    memory = forward(model, batch, strategy.gates, controller)
    records = memory.records(windows, layers)
    if strategy.recovery is None:
        return records
    chosen = [strategy.recovery.choose(record) for record in records]
    if memory.first is None or not any(words.any() for words in chosen):
        return records
    start = memory.gates[0].number
    probabilities = np.split(recover(model, memory, np.concatenate(chosen)), np.cumsum(batch.words.counts)[:-1])
    return [
        record.recalled(words, latest, start, layers) if words.any() else record
        for record, words, latest in zip(records, chosen, probabilities, strict=True)
    ]


def forward(model: GatedModel, batch: RaggedBatch, gates: Sequence[int], controller: Decider | None) -> MemoryBuffer:
    """Runs a batch under any controller, which may be ``None`` without gates.

    The model must have a label head at every gate. Gradients flow through the outputs of label heads, not through
    decisions.
    """
    encoder = model.encoder
    memory = MemoryBuffer.of(batch, model.labels, encoder.num_layers)
    attentive = controller is not None and controller.signals & OF_ATTENTION
    ops = encoder.operations(batch, frozenset(gates) if attentive else frozenset())
    hidden = encoder.embed(ops)
    for number in range(1, encoder.num_layers + 1):
        previous, hidden = hidden, encoder.layer(ops, number, hidden)
        if number == encoder.num_layers:
            _run_head(model, ops, number, hidden, memory)
        elif number in gates:
            assert controller is not None, "a pass with gates has a controller"
            index = len(memory.gates)
            if memory.alive.any():
                _run_head(model, ops, number, hidden, memory)
            decision, read = decide(controller, number, index, memory, partial(_signal, ops, number, previous, hidden))
            if index == 0:
                memory.first = ops.batch, hidden
            memory.remove(number, decision, read)
            if controller.ends(index):
                break
            if decision.exits.any():
                ops.batch, rows = ops.batch.keep(memory.alive)
                hidden = _take_rows(hidden, rows)
    return memory


def decide(
    controller: Decider, number: int, index: int, memory: MemoryBuffer, signal: Callable[[str], np.ndarray]
) -> tuple[Decision, dict[str, np.ndarray]]:
    """Asks a controller at the gate of layer ``number``; also returns the signals of the layer that it reads."""
    if controller.ends(index):
        return Decision(memory.alive, np.zeros(len(memory.alive))), {}
    read = {name: signal(name) for name in sorted(controller.signals & OF_LAYER)}
    gate = ArrayGate(
        number,
        index,
        memory.batch.words,
        memory.alive,
        memory.probabilities,
        memory.labels,
        numbers=controller.numbers(index),
        layer_signals=read,
    )
    return controller.decide(gate), read


def _signal(ops: TorchOperations, number: int, previous: Tensor, hidden: Tensor, name: str) -> np.ndarray:
    """A signal of a layer for every word, float32 ``(words,)``; 0 for words that have no rows."""
    batch = ops.batch
    values = np.zeros(len(batch.words), dtype=np.float32)
    words = batch.word[batch.first]
    if name == "change":
        rows = np.flatnonzero(batch.first)
        before, after = (_take_rows(part, rows).detach().float() for part in (previous, hidden))
        values[words] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return values
    which = ("attention_entropy", "received").index(name)
    starts = batch.starts
    parts = [
        attention_of(attention, batch.word[start:end])[which]
        for attention, (start, end) in zip(ops.attention[number], pairwise(starts), strict=True)
        if end - start > 2
    ]
    if parts:
        values[words] = np.concatenate(parts)
    return values


def recover(model: GatedModel, memory: MemoryBuffer, words: np.ndarray) -> np.ndarray:
    """Runs the windows of exited words, bool ``(words,)``, again from the first gate's hidden states.

    These words, and those that had not exited, run to the last layer; all others exit where they exited before. Returns
    the label distributions of all words, float32 ``(words, labels)``.
    """
    assert memory.first is not None
    encoder, window = model.encoder, memory.batch.words.window
    layers, start = encoder.num_layers, memory.gates[0].number
    gates = {gate.number for gate in memory.gates}
    ends = np.where(words, layers, memory.exit_at)
    doubtful = np.zeros(len(memory.batch.lengths), dtype=bool)
    doubtful[window[words]] = True
    ends[~doubtful[window]] = start
    batch, hidden = memory.first
    batch, rows = batch.keep_windows(doubtful)
    hidden = _take_rows(hidden, rows)
    ops = encoder.operations(batch)
    for number in range(start, layers + 1):
        if number > start:
            hidden = encoder.layer(ops, number, hidden)
        if number in gates:
            ops.batch, rows = ops.batch.keep(ends > number)
            hidden = _take_rows(hidden, rows)
    _run_head(model, ops, layers, hidden, memory)
    return memory.probabilities


def _run_head(model: GatedModel, ops: TorchOperations, number: int, hidden: Tensor, memory: MemoryBuffer) -> None:
    first = np.flatnonzero(ops.batch.first)
    memory.update(HeadOutput(number, ops.batch.word[first], model.logits(ops, number, _take_rows(hidden, first))))


def _take_rows(hidden: Tensor, rows: np.ndarray) -> Any:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))
