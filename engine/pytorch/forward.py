"""The pruned pass in PyTorch: runs layers and gates, removes the rows of words that exit, and recovers words.

The dense pass is the same code without gates.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.pruning.gate import OF_ATTENTION, OF_LAYER, ArrayGate, Decision
from engine.pruning.policies import ExitPolicy
from engine.pruning.record import GateRecord, WindowRecord
from engine.pruning.signals import attention_of
from engine.pruning.strategy import Strategy
from engine.pytorch.model import GatedModel
from engine.pytorch.operations import TorchOperations
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window


class HeadOutput(NamedTuple):
    """Output of a label head."""

    number: int  # of its layer
    word_indices: np.ndarray  # of the words that it labels, int64 (n,)
    logits: Tensor  # (n, labels)


class MemoryBuffer:
    """Labels and hidden states of a pass over a batch, so that every word has a label and may return.

    ``probabilities``, ``is_alive`` and ``exit_at``: see `GateRecord` and `WindowRecord`, for the words of the batch.
    """

    def __init__(self, batch: RaggedBatch, labels: LabelSet, layers: int) -> None:
        self.batch, self.labels, self.layers = batch, labels, layers
        self.probabilities = np.zeros((len(batch.words), len(labels)), dtype=np.float32)
        self.is_alive = np.ones(len(batch.words), dtype=bool)
        self.exit_at = np.full(len(batch.words), layers)
        self.gates: list[GateRecord] = []  # over the words of the whole batch
        self.heads: list[HeadOutput] = []  # of every label head that ran, in order
        self.first: tuple[RaggedBatch, Tensor] | None = None  # batch and hidden states at the first gate

    def update(self, head: HeadOutput) -> None:
        """Records the output of a label head and updates its words' label distributions."""
        self.heads.append(head)
        self.probabilities = self.probabilities.copy()
        self.probabilities[head.word_indices] = head.logits.detach().float().softmax(-1).numpy(force=True)

    def remove(self, number: int, decision: Decision, signals: dict[str, np.ndarray]) -> None:
        """Records a gate and removes the words that exit."""
        self.gates.append(GateRecord(number, self.is_alive, self.probabilities, decision, signals))
        self.is_alive = self.is_alive & ~decision.exits
        self.exit_at[decision.exits] = number

    def records(self, windows: Sequence[Window]) -> list[WindowRecord]:
        """The record of each window."""
        ends = np.cumsum(self.batch.words.counts)
        heads = {self.heads[-1].number, *(gate.number for gate in self.gates)}
        parts = zip(windows, map(slice, ends - self.batch.words.counts, ends), strict=True)
        return [
            WindowRecord(
                window=window,
                labels=self.labels,
                layers=self.layers,
                probabilities=self.probabilities[words],
                exit_at=self.exit_at[words],
                recovered=np.zeros(window.num_words, dtype=bool),
                heads=sorted(heads),
                gates=[gate.part(words) for gate in self.gates],
            )
            for window, words in parts
        ]


def run(model: GatedModel, windows: Sequence[Window], strategy: Strategy) -> list[WindowRecord]:
    """Runs windows in one batch under a strategy and returns their records."""
    memory = forward(model, RaggedBatch.from_windows(windows), strategy.gates, strategy.controller)
    records = memory.records(windows)
    if strategy.recovery is None or memory.first is None:
        return records
    chosen = [strategy.recovery.choose(record) for record in records]
    if not any(words.any() for words in chosen):
        return records
    recover(model, memory, np.concatenate(chosen))
    latest = np.split(memory.probabilities, np.cumsum(memory.batch.words.counts)[:-1])
    return [
        replace(record, probabilities=probabilities, recovered=words)
        for record, probabilities, words in zip(records, latest, chosen, strict=True)
    ]


def forward(model: GatedModel, batch: RaggedBatch, gates: Sequence[int], controller: ExitPolicy | None) -> MemoryBuffer:
    """Runs a batch under any controller, which may be ``None`` without gates.

    The model must have a label head at every gate. Gradients flow through the outputs of label heads, not through
    decisions.
    """
    encoder = model.encoder
    memory = MemoryBuffer(batch, model.labels, encoder.num_layers)
    attentive = controller is not None and controller.signals & OF_ATTENTION
    ops = encoder.operations(batch, frozenset(gates) if attentive else frozenset())
    hidden = encoder.embed(ops)
    for number in range(1, encoder.num_layers + 1):
        previous, hidden = hidden, encoder.family.layer(ops, number, hidden)
        if number == encoder.num_layers:
            _run_head(model, ops, number, hidden, memory)
        elif number in gates:
            assert controller is not None, "a pass with gates has a controller"
            index = len(memory.gates)
            if memory.is_alive.any():
                _run_head(model, ops, number, hidden, memory)
            decision, read = decide(controller, number, index, memory, partial(_signal, ops, number, previous, hidden))
            memory.remove(number, decision, read)
            if controller.all_exit(index):
                break
            if index == 0:
                memory.first = ops.batch, hidden
            if decision.exits.any():
                hidden = _keep(ops, memory.is_alive, hidden)
    return memory


def decide(
    controller: ExitPolicy, number: int, index: int, memory: MemoryBuffer, signal: Callable[[str], np.ndarray]
) -> tuple[Decision, dict[str, np.ndarray]]:
    """Asks a controller at the gate of layer ``number``; also returns the signals of the layer that it reads."""
    if controller.all_exit(index):
        return Decision(memory.is_alive, np.zeros(len(memory.is_alive))), {}
    read = {name: signal(name) for name in sorted(controller.signals & OF_LAYER)}
    words, numbers = memory.batch.words, controller.numbers(index)
    gate = ArrayGate(number, index, words, memory.is_alive, memory.probabilities, memory.labels, numbers, read)
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
    windows = zip(ops.attention[number], batch.by_window(batch.word), strict=True)
    parts = [attention_of(attention, word)[which] for attention, word in windows if len(word) > 2]
    values[words] = np.concatenate([np.zeros(0), *parts])
    return values


def recover(model: GatedModel, memory: MemoryBuffer, words: np.ndarray) -> None:
    """Runs the windows of exited words, bool ``(words,)``, again from the first gate's hidden states.

    These words, and those that had not exited, run to the last layer, whose label distributions the memory then holds;
    all others exit where they exited before.
    """
    assert memory.first is not None
    encoder, window, gates = model.encoder, memory.batch.words.window, [gate.number for gate in memory.gates]
    doubtful = np.isin(window, window[words])
    exit_at = np.where(words, encoder.num_layers, np.where(doubtful, memory.exit_at, gates[0]))
    batch, hidden = memory.first
    ops = encoder.operations(batch)
    for number in range(gates[0], encoder.num_layers + 1):
        if number > gates[0]:
            hidden = encoder.family.layer(ops, number, hidden)
        if number in gates:
            hidden = _keep(ops, exit_at > number, hidden)
    _run_head(model, ops, encoder.num_layers, hidden, memory)


def _run_head(model: GatedModel, ops: TorchOperations, number: int, hidden: Tensor, memory: MemoryBuffer) -> None:
    first = np.flatnonzero(ops.batch.first)
    memory.update(HeadOutput(number, ops.batch.word[first], model.logits(ops, number, _take_rows(hidden, first))))


def _keep(ops: TorchOperations, words: np.ndarray, hidden: Tensor) -> Tensor:
    """Removes the rows of all words but these, bool ``(words,)``."""
    batch, rows = ops.batch.keep(words)
    ops.take_batch(batch)
    return _take_rows(hidden, rows)


def _take_rows(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))
