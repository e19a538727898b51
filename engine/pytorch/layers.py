"""Encoder layers on packed rows, with attention per window and fused query, key and value weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.pytorch.attention import Place, attend
from engine.pytorch.linear import Linear, rounded
from engine.pytorch.packing import RaggedBatch

# glibc returns large freed blocks to the system and requests them again in the next layer, which takes a seventh of the
# time with many rows. Once a block of 32 MB has been allocated and freed, it keeps up to 64 MB.
torch.empty(2**25 - 2**16, dtype=torch.uint8)


class Layer(nn.Module):
    """One layer on packed rows. Query, key and value weights are fused into one matrix multiply."""

    num_heads: int
    dropout: float
    qkv: Linear

    def normed(self, hidden: Tensor) -> Tensor:
        """The input of attention, ``(n, hidden)``."""
        return hidden

    def update(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Computes the layer's output ``(n, hidden)`` from its input and the attention output."""
        raise NotImplementedError

    def forward(self, hidden: Tensor, batch: RaggedBatch, place: Place | None) -> Tensor:
        """Runs the layer on hidden states ``(rows, hidden)``; see `attend` for ``place``."""
        rows = rounded(hidden)
        query, key, value = self.qkv(self.normed(rows)).chunk(3, dim=1)
        lengths = [length for length in batch.lengths if length]
        attended = attend(query, key[: len(hidden)], value[: len(hidden)], lengths, self.num_heads, place)
        return self.update(rows, attended)[: len(hidden)]

    def residual(self, hidden: Tensor, output: Tensor) -> Tensor:
        """Adds a sublayer's output to hidden states, with dropout in training; may overwrite the output."""
        if self.training and self.dropout:
            output = F.dropout(output, self.dropout)
        return output.add_(hidden) if output.dtype == hidden.dtype else hidden + output


class PostNormLayer(Layer):
    """Self-attention and feed-forward, each followed by a residual connection and LayerNorm (BERT's layer)."""

    def __init__(
        self, size: int, heads: int, intermediate: int, activation: str, norm_eps: float, dropout: float
    ) -> None:
        super().__init__()
        self.num_heads, self.dropout = heads, dropout
        self.qkv = Linear(size, 3 * size)
        self.attention_output = Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=norm_eps)
        self.intermediate = Linear(size, intermediate, activation)
        self.output = Linear(intermediate, size)
        self.output_norm = nn.LayerNorm(size, eps=norm_eps)

    def update(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Adds the attention output, then the feed-forward output, with a norm after each."""
        hidden = self.attention_norm(self.residual(hidden, self.attention_output(attended)))
        return self.output_norm(self.residual(hidden, self.output(self.intermediate(hidden))))


def linear(inputs: int, outputs: int, *, bias: bool) -> Linear:
    """Builds a `Linear`; without ``bias``, its bias is fixed at 0."""
    one = Linear(inputs, outputs)
    if not bias:
        del one.bias
        one.register_buffer("bias", torch.zeros(outputs), persistent=False)
    return one
