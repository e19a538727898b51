"""``hf``: the plain Hugging Face model on padded windows, same weights, words and decoding."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from engine.model.huggingface import huggingface_logits
from engine.model.packing import RaggedBatch
from engine.pruning.memory import HeadOutput, LayerRun, MemoryBuffer
from engine.text.labels import LabelSet


def run_padded(model: PreTrainedModel, batch: RaggedBatch, labels: LabelSet, order: Sequence[int]) -> MemoryBuffer:
    """Runs a token-classification model on a batch.

    Args:
        model: in evaluation mode.
        batch: packed windows.
        labels: ours.
        order: the model's label index of each of our labels, ``(labels,)``.
    """
    layers = model.config.num_hidden_layers
    memory = MemoryBuffer.of(batch, labels, layers)
    padded = (max(batch.lengths),) * len(batch.lengths)
    memory.layers.extend(LayerRun(number, padded, padded) for number in range(1, layers + 1))
    memory.update(HeadOutput(layers, batch.word[batch.first], huggingface_logits(model, batch)[:, list(order)]))
    return memory
