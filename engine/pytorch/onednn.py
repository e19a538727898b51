"""PyTorch's private oneDNN operators, and which of them work on this processor. No other module calls them.

Each operator is tested on small inputs before use. If PyTorch lacks one, or the processor computes wrong results, only
speed is lost.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def pack(weight: Tensor) -> Tensor:
    """Packs weights ``(outputs, inputs)`` in float32 or bfloat16 for `multiply`."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, None)


def multiply(rows: Tensor, packed: Tensor, bias: Tensor, *, gelu: bool = False) -> Tensor:
    """``(rows, inputs)`` times packed weights plus bias ``(outputs,)``, with optional fused GELU."""
    return torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "gelu" if gelu else "none", [], "none")


def _works(probe: Callable[[], bool]) -> bool:
    try:
        with torch.no_grad():
            return probe()
    except (AttributeError, RuntimeError, TypeError):  # missing, not runnable, or with another signature
        return False


def _multiplies(dtype: torch.dtype, tolerance: float) -> bool:
    """Whether `multiply` works in a dtype."""
    generator = torch.Generator().manual_seed(0)
    rows, weight, bias = (torch.randn(shape, generator=generator).to(dtype) for shape in ((8, 32), (16, 32), (16,)))
    expected = F.gelu(F.linear(rows.double(), weight.double(), bias.double()))
    found = multiply(rows, pack(weight), bias, gelu=True)
    return bool((found - expected).abs().max() < tolerance)


PACKABLE = (
    platform.machine() in ("x86_64", "AMD64")
    and torch.backends.mkldnn.is_available()
    and _works(lambda: _multiplies(torch.float32, 1e-4))
)
BFLOAT16 = (
    PACKABLE
    and _works(lambda: torch.ops.mkldnn._is_mkldnn_bf16_supported())
    and _works(lambda: _multiplies(torch.bfloat16, 0.2))
)
