"""Linear layers for many different row counts, with weights packed once for the CPU's matrix multiply.

PyTorch repacks float32 weights at every call. For a dozen rows that costs more than the multiply, so a layer
would hardly be cheaper for the few rows that remain after pruning. oneDNN can multiply with weights packed once, but
builds a kernel for each new row count. Row counts are rounded up so that few kernels are needed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import ACT2FN

from engine.pytorch.onednn import BFLOAT16, PACKABLE, multiply, pack

STEPS = ((512, 8), (1024, 32))  # (maximum rows, round up to a multiple of this)
LARGE_STEP = 64


def packs(rows: Tensor) -> bool:
    """Whether `Linear` multiplies these rows with packed weights, which it does on x86 without gradients."""
    return (
        PACKABLE
        and rows.device.type == "cpu"
        and (rows.dtype == torch.float32 or (BFLOAT16 and rows.dtype == torch.bfloat16))
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def rounded(rows: Tensor) -> Tensor:
    """Pads ``(rows, hidden)`` with zeros to one of a few row counts, so that oneDNN reuses its kernels.

    Without this, building kernels took half of bfloat16 training.
    """
    if packs(rows):
        step = next((step for most, step in STEPS if len(rows) <= most), LARGE_STEP)
    elif rows.device.type == "cpu" and (rows.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")):
        step = LARGE_STEP
    else:
        return rows
    missing = -len(rows) % step
    return F.pad(rows, (0, 0, 0, missing)) if missing else rows


class Linear(nn.Linear):
    """``torch.nn.Linear`` that keeps a second, packed copy of its weights once it has run without gradients on a CPU.

    The copy is rebuilt when the weights change (except through ``.data``). ``activation`` is Hugging Face's name of the
    output's activation; ``gelu`` is fused into the multiply.
    """

    def __init__(self, inputs: int, outputs: int, activation: str | None = None) -> None:
        super().__init__(inputs, outputs)
        self.activation = activation
        self._activation = ACT2FN[activation] if activation else nn.Identity()
        self._packed: tuple[object, Tensor] | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """Computes ``(rows, inputs)`` → ``(rows, outputs)``."""
        if not packs(rows):
            return self._activation(F.linear(rows, self.weight, self.bias))
        packed = self._pack()
        if self.activation == "gelu":
            return multiply(rows, packed, self.bias, gelu=True)
        return self._activation(multiply(rows, packed, self.bias))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_packed": None}  # packed weights cannot be copied

    def _pack(self) -> Tensor:
        state = (self.weight.data_ptr(), self.weight.dtype, self.weight._version)
        if self._packed is None or self._packed[0] != state:
            self._packed = (state, pack(self.weight.detach()))
        return self._packed[1]
