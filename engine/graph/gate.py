"""A gate as operations of an ONNX graph, for the words of one window; see `engine.pruning.gate.Gate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.graph.onnx_graph import Graph, Node
from engine.pruning.gate import SMALLEST, Gate
from engine.text.labels import LabelSet

_TINY = np.finfo(np.float32).tiny


@dataclass(eq=False)
class GraphGate(Gate):
    """Records the formula of a controller."""

    graph: Graph
    number: int
    index: int
    shape: Node  # int64 (1,), the number of words
    is_alive: Node
    probabilities: Node  # float32 (words, labels), of the latest label head that each word reached
    label_set: LabelSet  # the model's
    layer_signals: Callable[[str], Node]  # makes the signals of `of_layer`
    read: dict[str, Node] = field(default_factory=dict)  # signals of the layer that the formula read

    def _op(self, kind: str, *inputs: Any, **attributes: Any) -> Any:
        return self.graph.op(kind, *inputs, **attributes)

    def _float(self, values: Node) -> Node:
        return self.graph.cast(values, np.float32)

    @cached_property
    def size(self) -> Node:
        return self._float(self.shape)

    @cached_property
    def labels(self) -> Node:
        return self._op("ArgMax", self.probabilities, axis=1, keepdims=0, dtype=np.int64)

    @cached_property
    def confidence(self) -> Node:
        return self._op("ReduceMax", self.probabilities, [1], keepdims=0)

    @cached_property
    def entropy(self) -> Node:
        logarithms = self._op("Log", self._op("Max", self.probabilities, _TINY))
        total = self._op("ReduceSum", self.probabilities * logarithms, [1], keepdims=0)
        return total * float(-1 / np.log(len(self.label_set)))

    @cached_property
    def margin(self) -> Node:
        best, _ = self._op("TopK", self.log(self.probabilities), [2], outputs=2, axis=1)
        return self._op("ReduceSum", best * [1.0, -1.0], [1], keepdims=0)

    @cached_property
    def outside(self) -> Node:
        return self._op("Gather", self.probabilities, 0, axis=1)

    def of_layer(self, name: str) -> Node:
        """See `Gate`: made once, and kept in ``read``."""
        if name not in self.read:
            self.read[name] = self.layer_signals(name)
        return self.read[name]

    def number_of(self, name: str) -> Node:
        """See `Gate`: an input of the graph."""
        return self.graph.input(f"{name}@{self.number}", np.float32, [1])

    def log(self, values: Node) -> Node:
        return self._op("Log", self._op("Max", values, SMALLEST))

    def root(self, values: Node) -> Node:
        return self._op("Sqrt", values)

    def where(self, mask: Node, values: Any, others: Any) -> Node:
        return self._op("Where", mask, values, others, dtype=np.float32)

    def near(self, values: Node, reach: int) -> Node:
        if not reach:
            return values
        row = self._op("Reshape", self._float(values), [1, 1, -1])
        pooled = self._op("MaxPool", row, kernel_shape=[2 * reach + 1], pads=[reach, reach])
        largest = self._op("Reshape", pooled, [-1])
        return largest > 0.5 if values.dtype == np.bool_ else largest

    def total(self, values: Node) -> Node:
        """See `Gate`: ``(1,)``."""
        return self._op("ReduceSum", self._float(values), [0], keepdims=1)

    def rank(self, values: Node) -> Node:
        size = self._op("Shape", values, dtype=np.int64)
        _, order = self._op("TopK", values, size, outputs=2, axis=0, largest=0)
        _, rank = self._op("TopK", order, size, outputs=2, axis=0, largest=0, dtype=np.int64)
        return self._float(rank)

    def whole_entities(self, exits: Node) -> Node:
        """See `Gate`: the words of an entity have one number, by which those that stay are counted."""
        opens, size = self.label_set.opens, len(self.label_set)
        # Whether a label (column) after another (row) begins an entity; the first word has number 0 in any case.
        begins = np.vstack([opens[:, None] != self.label_set.continuing, np.zeros(size, dtype=bool)])
        before = self._op("Concat", [size], self._op("Slice", self.labels, [0], [-1]), axis=0)
        entity = self._op("CumSum", self._op("Gather", begins.ravel() * 1, before * size + self.labels), 0)
        stays = self._float(~exits & self.is_alive)
        none = self._op("ConstantOfShape", self.shape, dtype=np.float32)
        counts = self._op("ScatterElements", none, entity, stays, axis=0, reduction="add")
        return (self._op("Gather", counts, entity) < 0.5) & exits

    def perceptron(self, features: Sequence[Node], weights: Sequence[np.ndarray]) -> Node:
        inner, inner_bias, outer, outer_bias = weights
        rows = [self._op("Unsqueeze", feature, [0]) for feature in features]
        stacked = self._op("Concat", *rows, axis=0)
        hidden = self._op("Relu", self._op("MatMul", inner.T, stacked) + inner_bias[:, None])
        score = self._op("MatMul", outer[None], hidden) + outer_bias[:, None]
        return self._op("Sigmoid", self._op("Reshape", score, [-1]))
