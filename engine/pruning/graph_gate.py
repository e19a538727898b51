"""What a controller sees of a gate as operations of a graph; the counterpart of `engine.pruning.gate.GateView`.

Words have slots, see `engine.text.slots`. Values are float32 ``(1, 1, slots)``; masks are values of 0 and 1, because
OpenVINO converts booleans at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from engine.runtime import operations
from engine.text.labels import LabelSet

Node = Any  # an `openvino.Node`, or one of its outputs
_TINY = np.finfo(np.float32).tiny
FLAT = [-1]
ROW = [1, 1, -1]


def constant(value: Any, dtype: type = np.float32) -> Node:
    """A constant of the graph."""
    return operations().constant(np.asarray(value, dtype=dtype))


def reshaped(node: Node, shape: list[int]) -> Node:
    """The same values in another shape."""
    return operations().reshape(node, constant(shape, np.int64), False)


class GraphGateView:
    """The gate after one layer.

    Args:
        probabilities: float32 ``(1, slots, labels)``, each word's latest label distribution.
        alive: mask of the words that have not exited.
        number: returns a number that the caller of the graph gives for this gate, as a node of shape ``(1,)``.
        before: int32 ``(slots,)``, the slot of the word before each word; an empty one before the first word.
        zeros: float32 ``(slots + 1,)`` of zeros.
        labels: the labels.
        change: makes the counterpart of `RowSignals.change`.
    """

    def __init__(
        self,
        layer: int,
        probabilities: Node,
        alive: Node,
        number: Callable[[str], Node],
        before: Node,
        zeros: Node,
        labels: LabelSet,
        change: Callable[[], Node],
    ) -> None:
        self.layer, self.probabilities, self.alive, self.number = layer, probabilities, alive, number
        self._before, self._zeros, self._labels, self._change = before, zeros, labels, change
        self.ops = operations()

    @cached_property
    def labels(self) -> Node:
        """The label of each word, int32 ``(slots,)``."""
        top = self.ops.topk(self.probabilities, constant(1, np.int32), 2, "max", "none", "i32")
        return reshaped(top.output(1), FLAT)

    @cached_property
    def confidence(self) -> Node:
        """The probability of each word's label, 0–1."""
        return reshaped(self.ops.reduce_max(self.probabilities, constant([2], np.int32), True), ROW)

    @cached_property
    def entropy(self) -> Node:
        """Normalised entropy of each word's label distribution, 0–1."""
        logarithms = self.ops.log(self.ops.maximum(self.probabilities, constant(_TINY)))
        terms = self.ops.multiply(self.probabilities, logarithms)
        size = len(self._labels)
        scale = constant(np.full((size, 1), -1 / np.log(size)))
        return reshaped(self.ops.matmul(terms, scale, False, False), ROW)

    @cached_property
    def margin(self) -> Node:
        """Log ratio of each word's two most probable labels, each at least 10⁻⁶."""
        top = self.ops.topk(self.log(self.probabilities), constant(2, np.int32), 2, "max", "value", "i32").output(0)
        return reshaped(self.ops.matmul(top, constant([[1.0], [-1.0]]), False, False), ROW)

    @cached_property
    def outside(self) -> Node:
        """The probability of the label ``O``."""
        return reshaped(self.ops.gather(self.probabilities, constant(0, np.int32), constant(2, np.int32)), ROW)

    @cached_property
    def change(self) -> Node:
        """Norm of the layer's change to each word's first word piece ÷ norm before it."""
        return self._change()

    @cached_property
    def entity(self) -> Node:
        """Mask of words with a label other than ``O``."""
        return reshaped(self.ops.minimum(self.ops.convert(self.labels, "f32"), constant(1)), ROW)

    def near(self, values: Node, reach: int) -> Node:
        """Maximum of ``values`` over each word and its neighbours up to ``reach`` words away."""
        if not reach:
            return values
        return self.ops.max_pool(values, [1], [1], [reach], [reach], [2 * reach + 1]).output(0)

    def above(self, values: Node, threshold: Node) -> Node:
        """Mask of the alive words whose value is above a threshold."""
        return self.ops.multiply(self._is_positive(self.ops.subtract(values, threshold)), self.alive)

    def below(self, values: Node, threshold: Node) -> Node:
        """Mask of the alive words whose value is below a threshold."""
        return self.ops.multiply(self._is_positive(self.ops.subtract(threshold, values)), self.alive)

    def without(self, exits: Node, held: Node) -> Node:
        """The mask of the alive words that stay if words exit, except those that are held."""
        return self.ops.subtract(self.alive, self.ops.multiply(exits, self.complement(held)))

    def complement(self, values: Node) -> Node:
        """1 − values."""
        return self.ops.subtract(constant(1), values)

    def where(self, mask: Node, value: float, other: Node) -> Node:
        """``value`` in a mask, ``other`` elsewhere."""
        return self.ops.select(self.ops.greater(mask, constant(0)), constant(value), other)

    def perceptron(self, features: list[Node], *weights: np.ndarray) -> Node:
        """A perceptron with a hidden layer on each word's features, see `engine.pruning.controllers.mlp.Network`."""
        ops = self.ops
        inner, inner_bias, outer, outer_bias = weights
        hidden = ops.add(
            ops.matmul(constant(inner.T), ops.concat(features, 1), False, False), constant(inner_bias[:, None])
        )
        score = ops.matmul(constant(outer[None]), ops.relu(hidden), False, False)
        return ops.sigmoid(ops.add(score, constant(outer_bias[None])))

    def _is_positive(self, values: Node) -> Node:
        return self.ops.ceiling(self.ops.clamp(values, 0, 1))

    def whole_entities(self, stays: Node) -> Node:
        """Adds to the mask of words that stay the alive words of their predicted entities."""
        ops = self.ops
        size = len(self._labels)
        pairs = np.divmod(np.arange(size**2), size)
        begins = [not self._labels.continues(np.array(pair))[1] for pair in zip(*pairs, strict=True)]
        pair = ops.add(
            ops.multiply(ops.gather(self.labels, self._before, constant(0, np.int32)), constant(size, np.int32)),
            self.labels,
        )
        span = ops.cum_sum(ops.gather(constant(begins, np.int32), pair, constant(0, np.int32)), constant(0, np.int32))
        sums = ops.scatter_elements_update(self._zeros, span, reshaped(stays, FLAT), constant(0, np.int32), "sum")
        held = ops.gather(sums, span, constant(0, np.int32))
        return ops.multiply(ops.minimum(held, constant(1)), self.alive)

    def mean_std(self, values: Node) -> tuple[Node, Node]:
        """Mean and standard deviation over the alive words, shape ``(1, 1, 1)`` each."""
        ops = self.ops
        last = constant([2], np.int32)
        count = ops.maximum(ops.reduce_sum(self.alive, last, True), constant(1))
        mean = ops.divide(ops.reduce_sum(ops.multiply(values, self.alive), last, True), count)
        square = ops.power(ops.subtract(values, mean), constant(2))
        return mean, ops.sqrt(ops.divide(ops.reduce_sum(ops.multiply(square, self.alive), last, True), count))

    def keep_minimum(self, stays: Node, importance: Node, floor: Node) -> Node:
        """Adds the most important words to those that stay, until ``floor`` words do; see `keep_minimum` in NumPy."""
        ops = self.ops
        none = constant(np.inf)
        exits = ops.subtract(self.alive, stays)
        values = reshaped(ops.select(ops.greater(exits, constant(0)), importance, none), FLAT)
        slots = ops.shape_of(values, "i32")
        order = ops.topk(values, ops.squeeze(slots), 0, "min", "value", "i32", stable=True).output(1)
        ranks = ops.range(constant(0, np.int32), ops.squeeze(slots), constant(1, np.int32), "i32")
        rank = ops.scatter_elements_update(ranks, order, ranks, constant(0, np.int32))
        most = ops.subtract(ops.reduce_sum(self.alive, constant([2], np.int32), True), floor)
        beyond = ops.convert(ops.greater_equal(reshaped(ops.convert(rank, "f32"), ROW), most), "f32")
        return ops.maximum(stays, ops.multiply(beyond, exits))

    def log(self, values: Node) -> Node:
        """Natural logarithm of values raised to at least 10⁻⁶."""
        return self.ops.log(self.ops.maximum(values, constant(1e-6)))
