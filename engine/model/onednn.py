"""PyTorch's private oneDNN operators, and which of them work on this processor. No other module calls them.

Each operator is tested on small inputs before use. If PyTorch lacks one, or the processor computes wrong results, only
speed is lost.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import sdpa_flop_count

ZERO = 128  # the unsigned activation that represents 0
LARGEST = 127  # largest absolute value of a quantised number
# Range of a row, relative to its largest absolute value, that maps to 0 to 255.
_RANGE = torch.tensor([-ZERO, 255 - ZERO]) / LARGEST
# Added to a small float32, this rounds it to an integer, plus `ZERO`, in the lowest bits.
_TO_INTEGER = 1.5 * 2**23 + ZERO
_NO_ZERO_POINTS = torch.zeros(1, dtype=torch.int64)  # weights are symmetric


def pack(weight: Tensor) -> Tensor:
    """Packs weights ``(outputs, inputs)`` in float32 or bfloat16 for `multiply`."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, None)


def multiply(rows: Tensor, packed: Tensor, bias: Tensor, *, gelu: bool = False) -> Tensor:
    """``(rows, inputs)`` times packed weights plus bias ``(outputs,)``, with optional fused GELU."""
    return torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "gelu" if gelu else "none", [], "none")


def pack_int8(weight: Tensor) -> Tensor:
    """Packs int8 weights ``(outputs, inputs)`` for `multiply_int8`; the original may be freed afterwards."""
    return torch.ops.onednn.qlinear_prepack(weight, None)


def unpack_int8(packed: Tensor) -> Tensor:
    """Unpacks weights to ``(outputs, inputs)`` int8."""
    return packed.to_dense().t().contiguous()


def multiply_int8(rows: Tensor, packed: Tensor, scale: Tensor) -> Tensor:
    """Multiplies two quantised matrices exactly and scales the products.

    Args:
        rows: uint8 ``(rows, inputs)``, zero point `ZERO`.
        packed: from `pack_int8`.
        scale: float32 ``(outputs,)``.

    Returns:
        float32 ``(rows, outputs)``.
    """
    return torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, ZERO, packed, scale, _NO_ZERO_POINTS, None, 1.0, 0, torch.float32, "none", [], ""
    )


def quantise_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Quantises each row so that its largest absolute value becomes `LARGEST`, with zero point `ZERO`.

    Returns:
        The quantised rows, uint8 ``(rows, inputs)``, and their largest absolute values, float32 ``(rows, 1)``. If such
        a value is 0 or not finite, the row's integers are meaningless, but scaled by it they are again 0 or not finite.
        Below 10⁻⁵, rows lose precision.
    """
    largest = torch.maximum(rows.amax(-1, keepdim=True), rows.amin(-1, keepdim=True).neg_())
    return (_quantise_at_once if AT_ONCE else _quantise)(rows, largest), largest


def _quantise_at_once(rows: Tensor, largest: Tensor) -> Tensor:
    """Quantises with FBGEMM's operator for embedding tables, which appends 8 bytes (scale, minimum) to each row."""
    return torch.ops.quantized.embedding_bag_byte_prepack_with_rowwise_min_max(rows, largest * _RANGE)[:, :-8]


def _quantise(rows: Tensor, largest: Tensor) -> Tensor:
    """Quantises in four passes over memory, for PyTorch before 2.10."""
    shifted = torch.mul(rows, LARGEST / largest).add_(_TO_INTEGER)
    return shifted.view(torch.int32).to(torch.int8).view(torch.uint8)


def scale_rows_(rows: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """``(rows, outputs)`` times ``(rows, 1)`` plus bias ``(outputs,)``, in place and in one pass."""
    return torch.addcmul(bias, rows, scale, out=rows)


def gelu_(rows: Tensor) -> Tensor:
    """Exact GELU in place."""
    return torch.ops.aten.gelu_(rows)


def exact_int8(weight: Tensor) -> bool:
    """Whether `multiply_int8` is exact for these weights, int8 ``(outputs, inputs)``, and the largest activations.

    On processors without VNNI it is not, because sums of two products saturate at 16 bits.
    """
    low, high = ZERO - LARGEST, ZERO + LARGEST
    extremes = torch.full((4, weight.shape[1]), high, dtype=torch.uint8)
    extremes[1] = low
    extremes[2, ::2] = low
    extremes[3] = torch.where(weight[0] < 0, low, high).to(torch.uint8)
    expected = (extremes.double() - ZERO) @ weight.double().t()
    packed = pack_int8(weight)
    found = multiply_int8(extremes, packed, torch.ones(len(weight)))
    # Beyond 2^24, float32 rounds.
    within = (found - expected).abs() <= 1e-6 * expected.abs().clamp(min=1)
    return bool(within.all()) and torch.equal(unpack_int8(packed), weight)


@cache
def int8_works() -> bool:
    """Whether this processor and this PyTorch multiply the largest quantised numbers exactly."""
    if not PACKABLE:
        return False
    signs = torch.tensor([1, -1], dtype=torch.int8)
    largest = torch.full((64, 256), LARGEST, dtype=torch.int8) * signs.repeat(32)[:, None]
    return _works(lambda: exact_int8(largest))


def flop_formulas() -> dict[Any, Callable[..., int]]:
    """FLOP formulas that `torch.utils.flop_counter` lacks: attention on a CPU and multiplies with packed weights."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    formulas: dict[Any, Callable[..., int]] = {
        attention: lambda query, key, value, *_, **__: int(sdpa_flop_count(query, key, value))
    }
    if PACKABLE:
        formulas[torch.ops.mkldnn._linear_pointwise] = lambda rows, weight, *_, **__: 2 * rows.numel() * weight[0]
    if int8_works():
        formulas[torch.ops.onednn.qlinear_pointwise] = lambda rows, _, __, weight, *___, **____: (
            2 * rows.numel() * weight[1]
        )
    return formulas


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


def _quantises_at_once() -> bool:
    """Whether both implementations of `quantise_rows` agree."""
    rows = torch.linspace(-3, 3, 6 * 40).view(6, 40)
    largest = rows.abs().amax(1, keepdim=True)
    ways = (way(rows, largest).int() for way in (_quantise_at_once, _quantise))
    return bool(next(ways).sub(next(ways)).abs().max() <= 1)  # ties may go either way


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
AT_ONCE = _works(_quantises_at_once)
