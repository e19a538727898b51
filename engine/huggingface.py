"""The rival ``hf``: the plain Hugging Face model on padded windows, same weights, words and decoding."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.memory import MemoryBuffer
from engine.ragged import RaggedBatch


def run_huggingface(model: PreTrainedModel, batch: RaggedBatch, order: Tensor) -> MemoryBuffer:
    """Runs a token-classification model on the batch, padded to its longest window.

    Args:
        model: in evaluation mode.
        batch: packed windows.
        order: the model's label index of each of our labels, int64 ``(labels,)``.
    """
    config = model.config
    windows, longest = len(batch.lengths), max(batch.lengths)
    input_ids = torch.full((windows, longest), config.pad_token_id or 0, device=batch.word.device)
    mask = torch.zeros_like(input_ids)
    places = (batch.window_of_rows(), batch.position)
    input_ids[places] = batch.input_ids
    mask[places] = 1
    logits = model(input_ids=input_ids, attention_mask=mask).logits[places]
    memory = MemoryBuffer.of(batch, len(order), config.num_hidden_layers)
    memory.lengths.extend([(longest,) * windows] * config.num_hidden_layers)
    memory.update(batch.word[batch.first], logits[batch.first][:, order])
    return memory
