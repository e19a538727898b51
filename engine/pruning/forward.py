"""The forward pass that prunes: layers, gates, physical removal, recovery. Dense is the same pass without gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.pruning.controllers import Decision, Gate, RandomController, Replay
from engine.pruning.memory import HeadOutput, Matrix, MemoryBuffer
from engine.pruning.strategy import Strategy


def run(
    model: GatedModel, batch: RaggedBatch, strategy: Strategy, counts: dict[int, np.ndarray] | None = None
) -> MemoryBuffer:
    """Runs a batch under a strategy; afterwards every word of the buffer has a label distribution.

    Args:
        model: has a head at every gate of the strategy.
        batch: packed windows.
        strategy: gates, controller, context mode and recovery.
        counts: for a `RandomController`, how many words leave at each gate in each window.
    """
    chosen = strategy.controller
    controller = Replay.of(chosen, batch, counts or {}) if isinstance(chosen, RandomController) else chosen
    memory = forward(model, batch, strategy.gates, controller, strategy.context)
    if strategy.recovery is not None:
        words = strategy.recovery.choose(memory)
        if words.any():
            recover(model, memory, words, strategy.context)
    memory.forget()
    return memory


def forward(
    model: GatedModel,
    batch: RaggedBatch,
    gates: Sequence[int],
    controller: Callable[[Gate], Decision] | None,
    context: str = "drop",
) -> MemoryBuffer:
    """Runs a batch under any controller; decisions carry no gradient, the outputs of heads do.

    Args:
        model: has a head at every gate.
        batch: packed windows.
        gates: layers before the last one after which the controller decides.
        controller: may be ``None`` where there are no gates.
        context: ``drop`` removes the rows of words that leave; ``freeze`` leaves them as keys and values.
    """
    encoder = model.encoder
    memory = MemoryBuffer.of(batch, len(model.labels), encoder.num_layers)
    hidden = encoder.embed(batch)
    for number in range(1, encoder.num_layers + 1):
        previous = hidden
        output = encoder.layer(number, hidden, batch)
        hidden = output.hidden
        memory.computed(number, batch)
        last = number == encoder.num_layers
        if not (last or number in gates):
            continue
        _label(model, number, hidden, batch, memory)
        if last or controller is None:
            break
        gate = Gate(
            number=number,
            index=len(memory.gates),
            batch=batch,
            alive=memory.alive,
            probabilities=memory.probabilities,
            previous=previous,
            hidden=hidden,
            attention=output.attention,
        )
        decision = _worth_while(controller(gate), memory)
        memory.remove(decision, Matrix(batch, hidden))
        if decision.leaves.any():
            batch, hidden = _without(batch, hidden, memory.alive, context)
            if not len(batch):
                break
    return memory


def recover(model: GatedModel, memory: MemoryBuffer, words: np.ndarray, context: str = "drop") -> None:
    """Runs the windows of recovered words again, each from the gate at which the first of them left.

    Recovered words stay to the end, all others leave where they left before. All windows go in one batch, which each
    joins at its gate.

    Args:
        model: the one that filled the memory.
        memory: of a pass with its matrices; gets the new labels.
        words: bool ``(words,)``, words that left and come back.
        context: that of the pass.
    """
    encoder, window = model.encoder, memory.batch.words.window
    start = np.full(len(memory.batch.lengths), encoder.num_layers)
    np.minimum.at(start, window[words], memory.left_at[words])
    ends = np.where(words, encoder.num_layers, memory.left_at)
    current: Matrix | None = None
    for number in range(int(start.min()), encoder.num_layers + 1):
        if current is not None:
            output = encoder.layer(number, current.hidden, current.batch)
            memory.computed(number, current.batch)
            current = Matrix(current.batch, output.hidden)
        if number not in memory.matrices:
            continue
        alive = ends > number
        parts = [
            Matrix(*_without(matrix.batch, matrix.hidden, staying, context))
            for matrix, staying in ((current, alive), (memory.matrices[number], alive & (start == number)[window]))
            if matrix is not None
        ]
        current = parts[0] if len(parts) == 1 else _joined(*parts)
    assert current is not None, "somebody recovers, so a matrix is taken up"
    memory.recall(words)
    _label(model, encoder.num_layers, current.hidden, current.batch, memory)


def _label(model: GatedModel, number: int, hidden: Tensor, batch: RaggedBatch, memory: MemoryBuffer) -> None:
    first = np.flatnonzero(batch.first)
    memory.update(HeadOutput(number, batch.word[first], model.logits(number, _take(hidden, first))))


def _without(batch: RaggedBatch, hidden: Tensor, alive: np.ndarray, context: str) -> tuple[RaggedBatch, Tensor]:
    """The rows that go on when only the words ``alive`` stay."""
    batch, rows = batch.freeze(alive) if context == "freeze" else batch.keep(alive)
    return batch, hidden if len(rows) == len(hidden) else _take(hidden, rows)


def _joined(one: Matrix, other: Matrix) -> Matrix:
    batch, order = one.batch.join(other.batch)
    return Matrix(batch, _take(torch.cat((one.hidden, other.hidden)), order))


def _take(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def _worth_while(decision: Decision, memory: MemoryBuffer) -> Decision:
    """Nobody leaves a window in which under a tenth of its words would, unless that finishes the window."""
    words = memory.batch.words
    leaving = np.bincount(words.window[decision.leaves], minlength=len(words.counts))
    alive = np.bincount(words.window[memory.alive], minlength=len(words.counts))
    worth = (leaving * 10 >= words.counts) | (leaving == alive)
    return Decision(decision.leaves & worth[words.window], decision.need)
