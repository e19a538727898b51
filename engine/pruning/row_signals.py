"""Signals that PyTorch computes from a layer's hidden states."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.model.packing import RaggedBatch


@dataclass(frozen=True, eq=False)
class LayerSignals:
    """Signals of the words in a batch, see `engine.pruning.gate.RowSignals`.

    Args:
        batch: where the layer's rows belong.
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
        index = torch.from_numpy(rows).to(self.hidden.device)
        before, after = (part.index_select(0, index).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.batch.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved
