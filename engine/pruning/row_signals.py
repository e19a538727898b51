"""Signals that PyTorch computes from a layer's hidden states and attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.model.attention import Attention
from engine.model.packing import RaggedBatch
from engine.pruning.signals import pool_words

MAX_CACHED_WEIGHTS = 2**25  # attention weights cached per gate, at most 128 MB


@dataclass(frozen=True, eq=False)
class LayerSignals:
    """Signals of the words in a batch, see `engine.pruning.gate.RowSignals`.

    Args:
        batch: where the layer's rows belong.
        previous: hidden states ``(rows, hidden)`` before the layer.
        hidden: hidden states ``(rows, hidden)`` after the layer.
        attend: returns the layer's attention.
    """

    batch: RaggedBatch
    previous: Tensor
    hidden: Tensor
    attend: Callable[[], Attention]

    @cached_property
    def change(self) -> np.ndarray:
        """See `RowSignals.change`."""
        rows = np.flatnonzero(self.batch.first)
        index = torch.from_numpy(rows).to(self.hidden.device)
        before, after = (part.index_select(0, index).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.batch.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved

    @cached_property
    def attention_received(self) -> np.ndarray:
        """See `RowSignals.attention_received`."""
        return self._pool(attention_received)

    @cached_property
    def attention_entropy(self) -> np.ndarray:
        """See `RowSignals.attention_entropy`."""
        return self._pool(attention_entropy)

    @cached_property
    def attention(self) -> Attention:
        """The layer's attention."""
        return self.attend()

    def _windows(self) -> Iterable[Iterable[Tensor]]:
        """Each window's attention weights in blocks, cached for other statistics unless there are too many."""
        return self.attention.windows() if self.attention.num_weights > MAX_CACHED_WEIGHTS else self._cached_windows

    @cached_property
    def _cached_windows(self) -> list[list[Tensor]]:
        return [list(window) for window in self.attention.windows()]

    def _pool(self, statistic: Callable[[Iterable[Tensor]], Tensor]) -> np.ndarray:
        values = torch.cat([statistic(window) for window in self._windows()])
        return pool_words(values.numpy(force=True), self.batch.word, len(self.batch.words))


def attention_received(window: Iterable[Tensor]) -> Tensor:
    """Attention that each row of a window receives: blocks ``(heads, some rows, rows)`` → ``(rows,)``.

    This is the mean over heads and queries, multiplied by the number of rows so that it is 1 on average.
    """
    sums = [(block.sum((0, 1)), block.shape[0] * block.shape[1]) for block in window]
    total = torch.stack([received for received, _ in sums]).sum(0)
    return total / sum(count for _, count in sums) * len(total)


def attention_entropy(window: Iterable[Tensor]) -> Tensor:
    """Entropy of the attention that each row pays: blocks ``(heads, some rows, rows)`` → ``(rows,)``.

    This is the mean over heads of the entropy ÷ log(rows of the window), 0–1.
    """
    return torch.cat([torch.special.entr(block).sum(-1).mean(0) / math.log(block.shape[2]) for block in window])
