"""The forward pass that prunes: layers, gates, physical removal. Dense is the same pass without gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.controllers import Decision, Gate, RandomController, Replay
from engine.memory import HeadOutput, MemoryBuffer
from engine.model import GatedModel
from engine.ragged import RaggedBatch
from engine.strategies import Strategy


def run(
    model: GatedModel, batch: RaggedBatch, strategy: Strategy, counts: dict[int, np.ndarray] | None = None
) -> MemoryBuffer:
    """Runs a batch under a strategy; afterwards every word of the buffer has a label distribution.

    Args:
        model: has a head at every gate of the strategy.
        batch: packed windows.
        strategy: gates and controller.
        counts: for a `RandomController`, how many words leave at each gate in each window.
    """
    chosen = strategy.controller
    controller = Replay.of(chosen, batch, counts or {}) if isinstance(chosen, RandomController) else chosen
    return forward(model, batch, strategy.gates, controller)


def forward(
    model: GatedModel, batch: RaggedBatch, gates: Sequence[int], controller: Callable[[Gate], Decision] | None
) -> MemoryBuffer:
    """Runs a batch under any controller; decisions carry no gradient, the outputs of heads do.

    Args:
        model: has a head at every gate.
        batch: packed windows.
        gates: layers before the last one after which the controller decides.
        controller: may be ``None`` where there are no gates.
    """
    encoder = model.encoder
    memory = MemoryBuffer.of(batch, len(model.labels), encoder.num_layers)
    hidden = encoder.embed(batch)
    for number in range(1, encoder.num_layers + 1):
        hidden, qkv = encoder.layer(number, hidden, batch)
        memory.lengths.append(batch.lengths)
        last = number == encoder.num_layers
        if not (last or number in gates):
            continue
        first = np.flatnonzero(batch.first)
        memory.update(HeadOutput(number, batch.word[first], model.logits(number, _take(hidden, first))))
        if last or controller is None:
            break
        gate = Gate(number, len(memory.gates), batch, memory.alive, memory.probabilities, qkv, encoder.num_heads)
        decision = _worth_while(controller(gate), memory)
        memory.remove(decision)
        if decision.leaves.any():
            batch, rows = batch.keep(memory.alive)
            hidden = _take(hidden, rows)
            if not len(rows):
                break
    return memory


def _take(hidden: Tensor, rows: np.ndarray) -> Tensor:
    return hidden.index_select(0, torch.from_numpy(rows).to(hidden.device))


def _worth_while(decision: Decision, memory: MemoryBuffer) -> Decision:
    """Nobody leaves a window in which under a tenth of its words would, unless that finishes the window."""
    words = memory.batch.words
    leaving = np.bincount(words.window[decision.leaves], minlength=len(words.counts))
    alive = np.bincount(words.window[memory.alive], minlength=len(words.counts))
    worth = (leaving * 10 >= words.counts) | (leaving == alive)
    return Decision(decision.leaves & worth[words.window], decision.need)
