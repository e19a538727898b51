"""The pruned pass: layers, gates, physical removal, recovery. Dense is the same pass without gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import HeadOutput, Matrix, MemoryBuffer
from engine.pruning.strategy import Context, Strategy


def run(model: GatedModel, batch: RaggedBatch, strategy: Strategy) -> MemoryBuffer:
    """Runs a batch under a strategy; afterwards every word of the buffer has a label distribution.

    Args:
        model: has a label head at every gate of the strategy.
        batch: packed windows.
        strategy: gates, controller, context mode and recovery.
    """
    memory = _run(model, batch, strategy)
    memory.forget()
    return memory


def piece_logits(model: GatedModel, batch: RaggedBatch, strategy: Strategy) -> Tensor:
    """Like `run`, but returns the label logits of every row, float32 ``(rows, labels)``; CLS and SEP get 0.

    Each row's logits come from the head after the layer at which its word exited.
    """
    memory = _run(model, batch, strategy)
    last = model.encoder.num_layers
    ends = np.where(memory.recovered, last, memory.exit_at)
    begins = np.cumsum((0, *batch.lengths[:-1]))
    logits = torch.zeros(len(batch), len(model.labels))
    for number, matrix in [*memory.matrices.items(), *((last, matrix) for matrix in memory.last)]:
        stood = matrix.batch
        rows = np.flatnonzero((stood.word >= 0) & (ends[stood.word] == number))
        places = begins[stood.window_of_rows()[rows]] + stood.position[rows]
        logits[places] = model.logits(number, _take(matrix.hidden, rows)).float().cpu()
    return logits


def _run(model: GatedModel, batch: RaggedBatch, strategy: Strategy) -> MemoryBuffer:
    memory = forward(model, batch, strategy.gates, strategy.controller, strategy.context, strategy.min_exit_ratio)
    if strategy.recovery is not None:
        words = strategy.recovery.choose(memory)
        if words.any():
            recover(model, memory, words, strategy.context)
    return memory


def forward(
    model: GatedModel,
    batch: RaggedBatch,
    gates: Sequence[int],
    controller: Callable[[Gate], Decision] | None,
    context: Context = "drop",
    min_exit_ratio: float = 0.1,
) -> MemoryBuffer:
    """Runs a batch under any controller; decisions carry no gradient, the outputs of label heads do.

    Args:
        model: has a label head at every gate.
        batch: packed windows.
        gates: layers before the last one after which the controller decides.
        controller: may be ``None`` if there are no gates.
        context: ``drop`` removes the rows of words that exit; ``freeze`` keeps them as keys and values.
        min_exit_ratio: see `Strategy`.
    """
    encoder = model.encoder
    memory = MemoryBuffer.of(batch, model.labels, encoder.num_layers)
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
        if last:
            memory.last.append(Matrix(batch, hidden))
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
            attend=output.attend,
            label_set=model.labels,
        )
        decision = _enough(controller(gate), memory, min_exit_ratio)
        memory.remove(decision, Matrix(batch, hidden))
        if decision.exits.any():
            batch, hidden = _without(batch, hidden, memory.alive, context)
            if not len(batch):
                break
    return memory


def recover(model: GatedModel, memory: MemoryBuffer, words: np.ndarray, context: Context = "drop") -> None:
    """Runs the windows of recovered words again, each from the gate at which the first of them exited.

    Recovered words stay to the last layer; all others exit where they exited before. All windows run in one batch, each
    joining at its gate.

    Args:
        model: the one that filled the memory.
        memory: of a pass, with its matrices; receives the new labels.
        words: bool ``(words,)``, words that exited and come back.
        context: the pass's.
    """
    encoder, window = model.encoder, memory.batch.words.window
    start = np.full(len(memory.batch.lengths), encoder.num_layers)
    np.minimum.at(start, window[words], memory.exit_at[words])
    ends = np.where(words, encoder.num_layers, memory.exit_at)
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
    assert current is not None, "some word recovers, so there is a matrix to start from"
    memory.recall(words)
    memory.last.append(current)
    _label(model, encoder.num_layers, current.hidden, current.batch, memory)


def _label(model: GatedModel, number: int, hidden: Tensor, batch: RaggedBatch, memory: MemoryBuffer) -> None:
    first = np.flatnonzero(batch.first)
    memory.update(HeadOutput(number, batch.word[first], model.logits(number, _take(hidden, first))))


def _without(batch: RaggedBatch, hidden: Tensor, alive: np.ndarray, context: Context) -> tuple[RaggedBatch, Tensor]:
    """The rows that go on when only the words ``alive`` stay."""
    batch, rows = batch.freeze(alive) if context == "freeze" else batch.keep(alive)
    return batch, hidden if len(rows) == len(hidden) else _take(hidden, rows)


def _joined(one: Matrix, other: Matrix) -> Matrix:
    batch, order = one.batch.join(other.batch)
    return Matrix(batch, _take(torch.cat((one.hidden, other.hidden)), order))


def _take(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def _enough(decision: Decision, memory: MemoryBuffer, min_exit_ratio: float) -> Decision:
    """Cancels the decision in windows where too few words would exit."""
    words = memory.batch.words
    exiting = np.bincount(words.window[decision.exits], minlength=len(words.counts))
    alive = np.bincount(words.window[memory.alive], minlength=len(words.counts))
    enough = (exiting / words.counts >= min_exit_ratio) | (exiting == alive)
    return Decision(decision.exits & enough[words.window], decision.importance)
