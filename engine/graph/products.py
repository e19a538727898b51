"""Weights of a checkpoint and products with them, in float32 or in 8 bits.

In 8 bits, weights have 7 bits and a scale for each output: without VNNI, x86 adds pairs of products in 16 bits, which 8
bits would overflow. Activations are quantised while the graph runs, with one scale or one for each row.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.graph.onnx_graph import Graph, Node
from engine.graph.protobuf import MICROSOFT
from engine.models.tensors import Tensors

LARGEST = 63  # of a weight in 7 bits
MIDDLE, HALF = 128, 127  # of activations in 8 bits: what stands for 0, and how many steps there are on either side
TINY = 1e-12  # the least scale of a row, so that none is 0


class Products:
    """The weights of a model, read and, for products in 8 bits, quantised once, whatever graphs they go into."""

    def __init__(self, tensors: Tensors, *, quantised: bool) -> None:
        self._tensors, self.quantised = tensors, quantised
        self._made: dict[str, Any] = {}

    def tensor(self, name: str) -> np.ndarray:
        """The tensor of this name, float32; raises an `InputError` if it is missing or not finite."""
        return self._kept(name, lambda: self._joined([name]))

    def stored(self, name: str) -> np.ndarray:
        """The tensor of this name as it is stored, float16 or float32; raises the same errors."""
        return self._kept(f"{name}.stored", lambda: self._tensors.read(name))

    def has(self, bias: str) -> bool:
        """Whether there is a bias of this name."""
        return bias in self._tensors

    def linear(self, graph: Graph, values: Node, modules: Sequence[str], *, middles: Node | None, exact: bool) -> Node:
        """Products with the weights of modules, side by side, plus biases.

        In 8 bits, ``values`` ``(1, rows, size)`` have one scale or, given ``middles``, `MIDDLE` as uint8 ``(rows,)``,
        one for each row.
        """
        name, bias = "+".join(modules), self._bias(graph, modules)
        if exact or not self.quantised:
            weights = self._kept(f"{name}.float", lambda: self._transposed(modules))
            output = graph.op("MatMul", values, graph.weight(f"{name}.float", weights))
        else:
            weights, scales = self._kept(f"{name}.int8", lambda: quantised(self._transposed(modules)))
            weight, scale = graph.weight(f"{name}.int8", weights), graph.weight(f"{name}.scale", scales)
            if middles is None:
                zeros = graph.constant(np.zeros(len(scales)), np.int8)  # weights are symmetric
                return graph.op("DynamicQuantizeMatMul", values, weight, scale, zeros, bias, domain=MICROSOFT)
            output = _by_row(graph, values, weight, scale, middles)
        return output if bias is None else output + bias

    def _bias(self, graph: Graph, modules: Sequence[str]) -> Node | None:
        """The biases of modules side by side, if they have any."""
        names = [f"{module}.bias" for module in modules]
        if not all(map(self.has, names)):
            return None
        name = f"{'+'.join(modules)}.bias"
        return graph.weight(name, self._kept(name, lambda: self._joined(names)))

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _joined(self, names: Sequence[str]) -> np.ndarray:
        arrays = [self._tensors.read(name).astype(np.float32, copy=False) for name in names]
        return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]

    def _transposed(self, modules: Sequence[str]) -> np.ndarray:
        """Weights ``(inputs, outputs)`` of modules side by side."""
        return np.ascontiguousarray(self._joined([f"{module}.weight" for module in modules]).T)


def _by_row(graph: Graph, values: Node, weight: Node, scale: Node, middles: Node) -> Node:
    """Products in 8 bits whose rows are quantised with a scale each."""
    highest, lowest = (graph.op(kind, values, [-1], keepdims=1) for kind in ("ReduceMax", "ReduceMin"))
    steps = graph.op("Max", highest * (1 / HALF), lowest * (-1 / HALF), TINY)  # reads values less often than Abs would
    whole = graph.op("QuantizeLinear", values, graph.op("Reshape", steps, [-1]), middles, axis=1, dtype=np.uint8)
    scales = graph.constant(1.0), scale  # of rows, applied below, and of outputs
    middle = graph.constant(MIDDLE, np.uint8)
    output = graph.op("MatMulIntegerToFloat", whole, weight, *scales, middle, domain=MICROSOFT, dtype=np.float32)
    return output * steps


def quantised(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(inputs, outputs)`` in 7 bits, int8, and their scales, float32 ``(outputs,)``."""
    scales = np.maximum(np.abs(weights).max(axis=0) / LARGEST, TINY).astype(np.float32)
    return np.rint(weights / scales).astype(np.int8), scales
