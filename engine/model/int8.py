"""Linear layers in 8 bits: weights quantised once per output channel, activations per row at run time.

Each row has its own scale, so a text's result does not depend on its neighbours in the batch (Rule 2), and an outlier
in one row costs no other row precision. The operator takes a single scale, so it multiplies plain integers and rows
are scaled afterwards. Integer sums are exact in any order, so the number of rows does not affect a row's result.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from engine.errors import InputError
from engine.model.linear import Linear
from engine.model.onednn import (
    LARGEST,
    exact_int8,
    gelu_,
    multiply_int8,
    pack_int8,
    quantise_rows,
    scale_rows_,
    unpack_int8,
)

# Share of a layer's weights that may round to 0 because of outliers in their channels; BERT's layers lose 0.02.
MOST_VANISHED = 0.2


@dataclass(frozen=True, eq=False)
class Columns:
    """Packed weights of output columns ``start`` to ``end``; scales and biases, float32 ``(end - start,)`` each."""

    start: int
    end: int
    packed: Tensor
    scale: Tensor
    bias: Tensor


class Int8Linear(nn.Module):
    """A `Linear` in 8 bits, without gradients and without a float copy of the weights.

    Raises:
        InputError: if the weights are not finite, too many of them would round to 0, or this processor computes wrong
            products for their shape.
    """

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        self.inputs, self.outputs = layer.in_features, layer.out_features
        self.activation = layer.activation
        self._activation = ACT2FN[layer.activation] if layer.activation else nn.Identity()
        weight = layer.weight.detach().float()
        largest = weight.abs().amax(1)
        channel = torch.where(largest > 0, largest, 1) / LARGEST
        quantised = (weight / channel[:, None]).round()
        vanished = ((quantised == 0) & (weight != 0)).float().mean()
        if not weight.isfinite().all() or vanished > MOST_VANISHED:
            raise InputError(
                f"expected finite weights without large outliers, got some of which 8 bits round {vanished:.0%} to 0; "
                "use --dtype float32"
            )
        quantised = quantised.to(torch.int8)
        if not exact_int8(quantised):
            raise InputError(
                f"expected exact 8-bit products of {self.outputs} × {self.inputs} weights, got others on this "
                "processor; use --dtype float32"
            )
        self.scale: Tensor
        self.bias: Tensor
        self.register_buffer("scale", channel / LARGEST)  # divided again, because rows are scaled to `LARGEST` too
        self.register_buffer("bias", layer.bias.detach().float().clone())
        self._pack(quantised, [0, self.outputs])

    def forward(self, rows: Tensor, start: int = 0, end: int | None = None) -> Tensor:
        """Computes output columns ``start`` to ``end``: float32 ``(rows, inputs)`` → ``(rows, end - start)``."""
        quantised, largest = quantise_rows(rows)
        parts = [
            scale_rows_(multiply_int8(quantised, one.packed, one.scale), largest, one.bias)
            for one in self._split(start, end)
        ]
        output = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return gelu_(output) if self.activation == "gelu" else self._activation(output)

    def _split(self, start: int, end: int | None) -> list[Columns]:
        """Returns the packed weights of columns ``start`` to ``end``; repacks once if blocks have other edges."""
        end = self.outputs if end is None else end
        edges = {edge for one in self._columns for edge in (one.start, one.end)}
        if not {start, end} <= edges:
            self._pack(self.get_extra_state(), sorted(edges | {start, end}))
        return [one for one in self._columns if start <= one.start and one.end <= end]

    def _pack(self, weight: Tensor, edges: list[int]) -> None:
        self._columns: tuple[Columns, ...] = tuple(
            Columns(start, end, pack_int8(weight[start:end].contiguous()), self.scale[start:end], self.bias[start:end])
            for start, end in pairwise(edges)
        )

    def get_extra_state(self) -> Tensor:
        """The quantised weights, int8 ``(outputs, inputs)``, as part of the module's state."""
        return torch.cat([unpack_int8(one.packed) for one in self._columns])

    def set_extra_state(self, state: Tensor) -> None:
        """Sets the quantised weights."""
        self._pack(state, [0, self.outputs])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_columns": self.get_extra_state()}  # packed weights cannot be copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.set_extra_state(state["_columns"])


def quantise(model: nn.Module) -> int:
    """Replaces every `Linear` inside a module with an `Int8Linear` and releases the float weights.

    Returns:
        The number of layers replaced.

    Raises:
        InputError: if a layer cannot be quantised; the module then stays unchanged.
    """
    made = {}
    for name, layer in model.named_modules():
        if isinstance(layer, Linear):
            try:
                made[name] = Int8Linear(layer)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
    for name, quantised in made.items():
        model.set_submodule(name, quantised)
    return len(made)
