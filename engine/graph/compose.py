"""Composes one ONNX graph of a whole pass over one window: embeddings, layers, gates and removal of rows.

Which gates there are and the structure of their controller's formula are part of the graph; thresholds and other
numbers are inputs, so that changing them composes nothing.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np

from engine.graph.gate import GraphGate
from engine.graph.onnx_graph import Graph, Node
from engine.graph.operations import GraphOperations
from engine.graph.products import Products
from engine.models.family import Family
from engine.models.folder import Heads
from engine.pruning.gate import OF_ATTENTION
from engine.pruning.policies import ExitPolicy, GivenExits
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet

TINY = 1e-6


@dataclass(frozen=True)
class PassPlan:
    """Which pass a graph computes."""

    last: int  # the last layer
    gates: tuple[int, ...] = ()  # layers before it after which words may exit
    controller: ExitPolicy | None = field(default=None, compare=False)  # None where the caller says which words stay
    structure: tuple[Any, ...] = ()  # structural cache key of the controller
    remembers: bool = False  # whether the graph returns hidden states before the first gate removes any
    resumes: bool = False  # whether it begins with these, at the first gate

    @classmethod
    def of(cls, strategy: Strategy, layers: int) -> Self:
        """The pass of a strategy in an encoder with this number of layers."""
        controller = strategy.controller
        if controller is None or isinstance(controller, GivenExits):
            return cls(layers, strategy.gates)
        last = next((gate for index, gate in enumerate(strategy.gates) if controller.all_exit(index)), layers)
        gates = tuple(gate for gate in strategy.gates if gate < last)
        if not gates:
            return cls(last, gates)
        return cls(last, gates, controller, controller.structure, remembers=strategy.recovery is not None)

    def numbers(self) -> dict[str, float]:
        """The numbers that the graph takes, by input, for the settings of this plan's controller."""
        if self.controller is None:
            return {}
        return {
            f"{name}@{gate}": value
            for index, gate in enumerate(self.gates)
            for name, value in self.controller.numbers(index).items()
        }


def compose(plan: PassPlan, family: Family, products: Products, heads: Heads, labels: LabelSet) -> Graph:
    """Composes the graph of a plan.

    Inputs: ``input_ids``, ``position_ids`` (if positions are embedded), ``position`` (if attention depends on it) and
    ``word`` int64 ``(rows,)``, the word of each row, or the number of words for CLS and SEP; ``first`` int64
    ``(words,)``, the row of each word's first piece; and at each gate the numbers of its controller, ``NAME@GATE``
    float32 ``(1,)``, or without one ``GATE.stays`` bool ``(words,)``. A graph that resumes takes ``hidden`` float32
    ``(1, rows, hidden)`` and ``probabilities`` float32 ``(words, labels)`` instead of ids.

    Outputs: ``labels``, the label distributions float32 ``(words, labels)``; for each gate ``GATE.stays``, and with a
    controller ``GATE.probabilities``, ``GATE.importance`` and ``GATE.SIGNAL`` of each signal that it read; and
    ``memory`` if it remembers.
    """
    return _Composer(plan, family, products, heads, labels).compose()


class _Composer:
    def __init__(self, plan: PassPlan, family: Family, products: Products, heads: Heads, labels: LabelSet) -> None:
        self.plan, self.family, self.heads, self.labels = plan, family, heads, labels
        self.graph = Graph()
        self.word, self.first = (self._input(name, size) for name, size in (("word", "rows"), ("first", "words")))
        self.ops = GraphOperations(self.graph, family, products, self._input("position", "rows"))
        if plan.controller is not None and plan.controller.signals & OF_ATTENTION:
            self.ops.reading = set(plan.gates)
        self.is_alive = self.graph.op("GreaterOrEqual", self.first, 0, dtype=np.bool_)  # every word
        self.shape = self.graph.op("Shape", self.first, dtype=np.int64)
        self.probabilities: Any = None

    def _input(self, name: str, *shape: str | int, dtype: Any = np.int64) -> Node:
        return self.graph.input(name, dtype, shape)

    def compose(self) -> Graph:
        plan, hidden, begin = self.plan, None, 1
        if plan.resumes:
            begin = plan.gates[0] + 1
            hidden = self._input("hidden", 1, "rows", self.family.hidden_size, dtype=np.float32)
            self.probabilities = self._input("probabilities", "words", len(self.labels), dtype=np.float32)
            hidden = self._remove(self._given(plan.gates[0]), hidden)
        else:
            ids = self._input("input_ids", "rows"), self._input("position_ids", "rows")
            hidden = self.ops.unsqueeze(self.family.embed(self.ops, *ids), 0)
        for number in range(begin, plan.last + 1):
            before, hidden = hidden, self.family.layer(self.ops, number, hidden)
            if number == plan.last:
                self._label(number, hidden)
            elif number in plan.gates:
                hidden = self._gate(number, before, hidden)
        self.graph.output("labels", self.probabilities)
        return self.graph

    def _gate(self, number: int, before: Node, hidden: Node) -> Node:
        """Returns the rows that stay."""
        if self.plan.remembers and number == self.plan.gates[0]:
            self.graph.output("memory", hidden)
        if not self.plan.resumes:
            self._label(number, hidden)
        if self.plan.controller is None:
            return self._remove(self._given(number), hidden)
        index, signal = self.plan.gates.index(number), partial(self._signal, number, before, hidden)
        gate = GraphGate(self.graph, number, index, self.shape, self.is_alive, self.probabilities, self.labels, signal)
        decision = self.plan.controller.decide(gate)
        stays = self.is_alive & ~decision.exits
        outputs = {"stays": stays, "probabilities": self.probabilities, "importance": decision.importance}
        for name, node in (outputs | gate.read).items():
            self.graph.output(f"{number}.{name}", node)
        return self._remove(stays, hidden)

    def _given(self, number: int) -> Node:
        return self._input(f"{number}.stays", "words", dtype=np.bool_)

    def _label(self, number: int, hidden: Node) -> None:
        """Runs a label head on the first piece of every word; those that exited keep their distribution."""
        rows = self.graph.op("Gather", self._rows(hidden), self.first, axis=0)
        rows = self.family.features(self.ops, number, rows)
        weights, biases = self.heads[number]
        weight = self.graph.weight(f"head.{number}", np.ascontiguousarray(weights.T))
        logits = self.graph.op("Gemm", rows, weight, biases)
        latest = self.graph.op("Softmax", logits, axis=-1)
        if self.probabilities is not None:
            alive = self.ops.unsqueeze(self.is_alive, 1)
            latest = self.graph.op("Where", alive, latest, self.probabilities, dtype=np.float32)
        self.probabilities = latest

    def _rows(self, hidden: Node) -> Node:
        """Hidden states ``(rows, hidden)``."""
        return self.ops.reshape(hidden, [-1, self.family.hidden_size])

    def _remove(self, stays: Node, hidden: Node) -> Node:
        """Removes the rows of the words that do not stay; CLS and SEP always do."""
        graph = self.graph
        always = graph.op("Concat", stays, [True], axis=0)
        kept = graph.op("Gather", always, self.word)
        rows = self.ops.reshape(graph.op("NonZero", kept, dtype=np.int64), [-1])
        moved = graph.op("CumSum", graph.cast(kept, np.int64), 0, exclusive=1)
        self.first = graph.op("Gather", moved, self.first)  # of a word that exited, any row
        self.word = graph.op("Gather", self.word, rows)
        self.ops.keep(rows)
        self.is_alive = stays
        return graph.op("Gather", hidden, rows, axis=1)

    def _signal(self, number: int, before: Node, hidden: Node, name: str) -> Node:
        """A signal of the gate's layer for each word, ``(words,)``."""
        op = self.graph.op
        if name == "change":
            old, new = (op("Gather", self._rows(part), self.first, axis=0) for part in (before, hidden))
            return op("ReduceL2", new - old, [-1], keepdims=0) / op("ReduceL2", old, [-1], keepdims=0)
        among = self.ops.cached(("attention", number), lambda: self._attention(number))
        return {"attention_entropy": self._attention_entropy, "received": self._received}[name](among)

    def _attention(self, number: int) -> Node:
        """Attention among word pieces, ``(pieces, pieces)``, whose rows sum to 1."""
        among = self.graph.op("Slice", self.ops.attention[number], [1, 1], [-1, -1], [0, 1])
        return among / self.graph.op("ReduceSum", among, [-1], keepdims=1)

    def _attention_entropy(self, among: Node) -> Node:
        """See `engine.pruning.signals.attention_of`."""
        op = self.graph.op
        size = op("Slice", op("Shape", among, dtype=np.int64), [0], [1])
        # A word that exited has any row, perhaps that of SEP, for which a row of zeros is added; and a column of zeros,
        # because ONNX Runtime 1.20 adds no row to an array without columns.
        rows = op("Gather", op("Pad", among, [0, 0, 1, 1]), op("Max", self.first - 1, 0), axis=0)
        logarithms = op("Log", op("Max", rows, np.finfo(np.float32).tiny))
        total = op("ReduceSum", rows * logarithms, [-1], keepdims=0)
        return total / op("Max", op("Log", self.ops.number(size)), TINY) * -1.0

    def _received(self, among: Node) -> Node:
        """See `engine.pruning.signals.attention_of`."""
        given = self.graph.op("ReduceSum", among, [0], keepdims=0)
        words = self.graph.op("Slice", self.word, [1], [-1])
        empty = self.ops.number(self.first) * 0.0
        return self.graph.op("ScatterElements", empty, words, given, axis=0, reduction="add")
