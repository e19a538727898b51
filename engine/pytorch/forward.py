"""The pruned pass runs layers and gates, removes the rows of words that exit, and recovers words.

The dense pass is the same code without gates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.pruning.gate import Decision, GateView
from engine.pruning.strategy import Strategy
from engine.pytorch.gated import GatedModel
from engine.pytorch.memory import HeadOutput, Matrix, MemoryBuffer
from engine.pytorch.packing import RaggedBatch


@dataclass(frozen=True, eq=False)
class LayerSignals:
    """Signals that follow from a layer's rows, see `engine.pruning.gate.RowSignals`.

    Args:
        batch: where the rows belong.
        previous: hidden states ``(rows, hidden)`` before the layer.
        hidden: hidden states ``(rows, hidden)`` after the layer.
    """

    batch: RaggedBatch
    previous: Tensor
    hidden: Tensor

    @cached_property
    def change(self) -> np.ndarray:
        """See `RowSignals.change`."""
        rows = np.flatnonzero(self.batch.first)
        before, after = (_take_rows(part, rows).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.batch.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved


def run(model: GatedModel, batch: RaggedBatch, strategy: Strategy) -> MemoryBuffer:
    """Runs a batch under a strategy and returns a buffer with a label distribution for every word."""
    memory = forward(model, batch, strategy.gates, strategy.controller, strategy.min_exit_ratio)
    if strategy.recovery is not None and (words := strategy.recovery.choose(memory)).any():
        recover(model, memory, words)
    memory.forget()
    return memory


def forward(
    model: GatedModel,
    batch: RaggedBatch,
    gates: Sequence[int],
    controller: Callable[[GateView], Decision] | None,
    min_exit_ratio: float = 0.1,
) -> MemoryBuffer:
    """Runs a batch under any controller, which may be ``None`` without gates; see `Strategy` for the arguments.

    The model must have a label head at every gate. Gradients flow through the outputs of label heads, not through
    decisions.
    """
    encoder = model.encoder
    memory = MemoryBuffer.of(batch, model.labels, encoder.num_layers)
    hidden = encoder.embed(batch)
    for number in range(1, encoder.num_layers + 1):
        previous, hidden = hidden, encoder.layer(number, hidden, batch)
        memory.record_layer(number, batch)
        last = number == encoder.num_layers
        if not (last or number in gates):
            continue
        _run_head(model, number, hidden, batch, memory)
        if last:
            memory.last.append(Matrix(batch, hidden))
            break
        assert controller is not None, "a pass with gates has a controller"
        rows = LayerSignals(batch, previous, hidden)
        gate = GateView(
            number=number,
            index=len(memory.gates),
            words=memory.words,
            alive=memory.alive,
            probabilities=memory.probabilities,
            label_set=model.labels,
            rows=rows,
        )
        decision = _apply_min_exit_ratio(controller(gate), memory, min_exit_ratio)
        memory.remove(decision, Matrix(batch, hidden), vars(rows).get("change"))
        if decision.exits.any():
            batch, hidden = _remaining_rows(batch, hidden, memory.alive)
            if not len(batch):
                break
    return memory


def recover(model: GatedModel, memory: MemoryBuffer, words: np.ndarray) -> None:
    """Reruns the windows of exited words, bool ``(words,)``, each from the gate at which the first of its words exited.

    These words, and those that had not exited, run to the last layer, and the memory receives their new labels; all
    others exit where they exited before. All windows run in one batch, which each window joins at its gate.
    """
    encoder, window = model.encoder, memory.batch.words.window
    start = np.full(len(memory.batch.lengths), encoder.num_layers)
    np.minimum.at(start, window[words], memory.exit_at[words])
    ends = np.where(words, encoder.num_layers, memory.exit_at)
    current: Matrix | None = None
    for number in range(int(start.min()), encoder.num_layers + 1):
        if current is not None:
            current = Matrix(current.batch, encoder.layer(number, current.hidden, current.batch))
            memory.record_layer(number, current.batch)
        if number not in memory.matrices:
            continue
        alive = ends > number
        parts = [
            Matrix(*_remaining_rows(matrix.batch, matrix.hidden, staying))
            for matrix, staying in ((current, alive), (memory.matrices[number], alive & (start == number)[window]))
            if matrix is not None
        ]
        current = parts[0] if len(parts) == 1 else _join_matrices(*parts)
    assert current is not None, "at least one word recovers, so at least one matrix exists"
    memory.recall(words)
    memory.last.append(current)
    _run_head(model, encoder.num_layers, current.hidden, current.batch, memory)


def _run_head(model: GatedModel, number: int, hidden: Tensor, batch: RaggedBatch, memory: MemoryBuffer) -> None:
    first = np.flatnonzero(batch.first)
    memory.update(HeadOutput(number, batch.word[first], model.logits(number, _take_rows(hidden, first))))


def _remaining_rows(batch: RaggedBatch, hidden: Tensor, alive: np.ndarray) -> tuple[RaggedBatch, Tensor]:
    """Returns the batch and hidden states that remain when only the words in ``alive`` stay."""
    batch, rows = batch.keep(alive)
    return batch, hidden if len(rows) == len(hidden) else _take_rows(hidden, rows)


def _join_matrices(one: Matrix, other: Matrix) -> Matrix:
    batch, order = one.batch.join(other.batch)
    return Matrix(batch, _take_rows(torch.cat((one.hidden, other.hidden)), order))


def _take_rows(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def _apply_min_exit_ratio(decision: Decision, memory: MemoryBuffer, min_exit_ratio: float) -> Decision:
    """Lets no word exit in windows where too few would, see `Strategy.min_exit_ratio`."""
    words = memory.batch.words
    exiting = np.bincount(words.window[decision.exits], minlength=len(words.counts))
    alive = np.bincount(words.window[memory.alive], minlength=len(words.counts))
    enough = (exiting / words.counts >= min_exit_ratio) | (exiting == alive)
    return Decision(decision.exits & enough[words.window], decision.importance)
