"""Runs the plain Hugging Face model on padded windows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.model.packing import RaggedBatch


def pad(batch: RaggedBatch, width: int, pad_id: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Pads a batch: ids and mask, int64 ``(windows, width)``, and the indices of each word's first word piece."""
    input_ids = np.full((len(batch.lengths), width), pad_id)
    mask = np.zeros_like(input_ids)
    places = (batch.window_of_rows(), batch.position)
    input_ids[places] = batch.input_ids
    mask[places] = 1
    return input_ids, mask, (places[0][batch.first], places[1][batch.first])


def huggingface_logits(model: PreTrainedModel, batch: RaggedBatch, multiple: int = 1) -> Tensor:
    """Logits ``(words, labels)`` of each word's first word piece; the batch is padded to its longest window.

    Further padding, to a ``multiple`` of rows (but not past the model's limit), saves new shapes: in bfloat16 on a CPU
    each costs more than the padding.
    """
    longest = max(batch.lengths)
    width = max(longest, min(-(-longest // multiple) * multiple, model.config.max_position_embeddings - 2))
    input_ids, mask, first = pad(batch, width, model.config.pad_token_id or 0)
    device = next(model.parameters()).device
    logits: Tensor = model(
        input_ids=torch.from_numpy(input_ids).to(device), attention_mask=torch.from_numpy(mask).to(device)
    ).logits
    return logits[first]
