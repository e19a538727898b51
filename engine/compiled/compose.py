"""Composes a whole pass, embeddings, layers, gates and the removal of rows included, as one graph of OpenVINO.

The graph computes one window. Its inputs say what each row is; which gates there are and how their controller decides
is part of the graph, but thresholds and other numbers are inputs, so that changing them compiles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.compiled.layers import Layers, read_graph
from engine.compiled.parts import Checkpoint, Parts
from engine.pruning.controllers import Decider
from engine.pruning.graph_gate import FLAT, GraphGateView, Node, constant, reshaped
from engine.runtime import openvino, operations
from engine.text.labels import LabelSet
from engine.text.slots import STEP

HIDDEN_RANK = 3  # of hidden states (1, rows, hidden); other inputs of layers have one more
Heads = Mapping[int, tuple[np.ndarray, np.ndarray]]  # layer → weights (labels, hidden) and biases (labels,) of its head


@dataclass(frozen=True)
class Plan:
    """Which pass a graph computes.

    Args:
        last: the last layer.
        gates: layers before it after which words may exit.
        controller: decides at these gates; ``None`` where the caller does.
        form: what of the controller is compiled; plans of equal forms and gates are equal.
        scores: whether the graph also returns what the controller saw at each gate.
    """

    last: int
    gates: tuple[int, ...] = ()
    controller: Decider | None = field(default=None, compare=False)
    form: tuple[Any, ...] = ()
    scores: bool = False


class Composition:
    """A graph under construction; `model` is the result.

    Inputs, by name: ``input_ids``, ``position_ids`` and ``position`` int32 ``(1, rows)``; ``word`` int32 ``(rows,)``,
    the slot of each row's word, the last slot for padding rows (the first row is one), or the number of slots for CLS
    and SEP; ``bias`` float32 ``(slots + 1,)``, what is added to the scores of attention to the rows of each;
    ``target`` int32 ``(rows,)``, the slot of the word that the row is the first piece of, or the last slot; ``before``
    and ``zeros``, see `GraphGateView`; ``alive``, mask of the window's words, and ``count``, their number;
    ``unlabelled`` float32 ``(1, slots, labels)`` of zeros; at each gate the numbers of its controller and ``least``,
    the number of words that must want to exit, or, without a controller, the mask ``LAYER.stays``.

    Outputs: label distributions float32 ``(1, slots, labels)``; for each gate the mask of the words that
    stayed; and with scores, for each gate, these distributions, importance and change.
    """

    def __init__(
        self, plan: Plan, parts: Parts, layers: Layers, checkpoint: Checkpoint, heads: Heads, labels: LabelSet
    ) -> None:
        self.ops, self.types = operations(), openvino().Type
        self.plan, self.parts, self.layers, self.labels = plan, parts, layers, labels
        self.checkpoint, self.heads = checkpoint, heads
        self.inputs: dict[str, Any] = {}
        self.position = self.input("position", [1, -1], "i32")
        self.word, self.target = (self.input(name, [-1], "i32") for name in ("word", "target"))
        self.probabilities = self.input("unlabelled", [1, -1, len(labels)])
        self.alive, self.count = self.input("alive", [1, 1, -1]), self.input("count", [1, 1, 1])
        self.outputs: list[Node] = []
        self._of_kinds: dict[str, list[Node]] = {}
        self.bias = self._attention_bias()
        self.model = self._compose()

    def input(self, name: str, shape: list[int], dtype: str = "f32") -> Node:
        """The input of this name, created when first asked for."""
        if name not in self.inputs:
            self.inputs[name] = self.ops.parameter(shape, getattr(self.types, dtype), name)
            self.inputs[name].output(0).get_tensor().set_names({name})
        return self.inputs[name]

    def _compose(self) -> Any:
        plan = self.plan
        position_ids = self.input("position_ids", [1, -1], "i32")
        (hidden,) = self._spliced(
            "embedding", {"input_ids": self.input("input_ids", [1, -1], "i32"), "position_ids": position_ids}
        )
        stays = []
        for number in range(1, plan.last + 1):
            before, hidden = hidden, self._layer(number, hidden)
            if number == plan.last:
                self._label(number, hidden)
            elif number in plan.gates:
                hidden = self._gate(number, before, hidden)
                stays.append(self.alive)
        results = [self.ops.result(node) for node in (self.probabilities, *stays, *self.outputs)]
        used = {name: node for name, node in self.inputs.items() if node.output(0).get_target_inputs()}
        return openvino().Model(results, list(used.values()), "pass")

    def _layer(self, number: int, hidden: Node) -> Node:
        graph = read_graph(self.layers.graphs[number])
        ranks = [parameter.get_partial_shape().rank.get_length() for parameter in graph.get_parameters()]
        placed = self._placed(self.parts.facts.kinds[number - 1])
        if not placed and HIDDEN_RANK + 1 in ranks:  # layers of version 0.2 take what hides padding
            placed = [self.bias]
        else:
            for softmax in (node for node in graph.get_ops() if node.get_type_name() == "Softmax"):
                scores = softmax.input(0)
                scores.replace_source_output(self.ops.add(scores.get_source_output(), self.bias).output(0))
        return _connected(graph, [*[hidden] * ranks.count(HIDDEN_RANK), *placed])[0]

    def _attention_bias(self) -> Node:
        """What is added to the scores of attention to each row, ``(1, 1, 1, rows)``."""
        of_rows = self.ops.gather(self.input("bias", [-1]), self.word, constant(0, np.int32))
        return reshaped(of_rows, [1, 1, 1, -1])

    def _placed(self, kind: str) -> list[Node]:
        """How the rows' positions enter attention, once for all layers of a kind between two gates."""
        if f"placed.{kind}" not in self.parts.graphs:
            return []
        if kind not in self._of_kinds:
            self._of_kinds[kind] = self._spliced(f"placed.{kind}", {"position": self.position})
        return self._of_kinds[kind]

    def _label(self, number: int, hidden: Node) -> None:
        """Runs a label head on all rows, and stores what it says of each word's first piece."""
        name = "features.last" if number == self.parts.facts.sizes.layers else "features"
        if name in self.parts.graphs:
            (hidden,) = self._spliced(name, {"hidden": hidden})
        weights, biases = self.heads[number]
        logits = self.ops.add(self.ops.matmul(hidden, constant(weights), False, True), constant(biases[None, None]))
        self.probabilities = self.ops.scatter_update(
            self.probabilities, self.target, self.ops.softmax(logits, -1), constant(1, np.int32)
        )

    def _gate(self, number: int, before: Node, hidden: Node) -> Node:
        """Returns the rows that stay."""
        ops, last = self.ops, constant([2], np.int32)
        if self.plan.controller is None:
            stay = self.input(f"{number}.stays", [1, 1, -1])
            kept = ops.reduce_sum(stay, last, True)
        else:
            self._label(number, hidden)
            gate = GraphGateView(
                number,
                self.probabilities,
                self.alive,
                lambda name: self.input(f"{number}.{name}", [1]),
                self.input("before", [-1], "i32"),
                self.input("zeros", [-1]),
                self.labels,
                lambda: self._change(before, hidden),
            )
            wanted, importance = self.plan.controller.compose(gate)
            stay, kept = self._if_enough(wanted)
            if self.plan.scores:
                self.outputs += [self.probabilities, importance, gate.change]
        self.alive, self.count = stay, kept
        some = ops.minimum(kept, constant(1))
        stays = ops.gather(reshaped(ops.concat([stay, some], 2), FLAT), self.word, constant(0, np.int32))
        rows = self._padded(reshaped(ops.non_zero(stays, "i32"), FLAT))
        self.word, self.target = (ops.gather(of, rows, constant(0, np.int32)) for of in (self.word, self.target))
        self.position = ops.gather(self.position, rows, constant(1, np.int32))
        self.bias = self._attention_bias()
        self._of_kinds.clear()
        return ops.gather(hidden, rows, constant(1, np.int32))

    def _padded(self, rows: Node) -> Node:
        """Pads row numbers with that of the first row, a padding row: one in front, the others behind."""
        ops, step = self.ops, constant([STEP], np.int32)
        behind = ops.subtract(constant([STEP - 1], np.int32), ops.floor_mod(ops.shape_of(rows, "i32"), step))
        return ops.pad(rows, constant([1], np.int32), behind, "constant", constant(0, np.int32))

    def _if_enough(self, stay: Node) -> tuple[Node, Node]:
        """Lets words exit only if enough or all of those alive would; also returns how many then stay."""
        ops, last = self.ops, constant([2], np.int32)
        kept = ops.reduce_sum(stay, last, True)
        few = ops.logical_and(
            ops.less(ops.subtract(self.count, kept), self.input("least", [1])), ops.greater(kept, constant(0))
        )
        return ops.select(few, self.alive, stay), ops.select(few, self.count, kept)

    def _change(self, before: Node, after: Node) -> Node:
        """See `GraphGateView.change`; slots of words that exited earlier get 0."""
        ops, hidden = self.ops, constant([2], np.int32)
        moved, norm = (ops.reduce_l2(of, hidden, False) for of in (ops.subtract(after, before), before))
        empty = ops.multiply(self.alive, constant(0))
        return ops.multiply(
            ops.scatter_update(
                empty, self.target, reshaped(ops.divide(moved, norm), [1, 1, -1]), constant(2, np.int32)
            ),
            self.alive,
        )

    def _spliced(self, name: str, inputs: Mapping[str, Node]) -> list[Node]:
        """Adds a stored graph; its large weights come from the checkpoint."""
        graph = read_graph(self.parts.graphs[name])
        nodes: list[Node] = []
        for parameter in graph.get_parameters():
            at = parameter.get_friendly_name()
            if names := self.parts.facts.weights.get(at):
                nodes.append(self.ops.constant(self.checkpoint.tensor(names), shared_memory=True))
            else:
                nodes.append(inputs[at])
        return _connected(graph, nodes)


def _connected(graph: Any, nodes: list[Node]) -> list[Node]:
    """Connects nodes to the inputs of a graph, in order; returns its outputs."""
    for parameter, node in zip(graph.get_parameters(), nodes, strict=True):
        source = node if hasattr(node, "get_target_inputs") else node.output(0)
        for target in parameter.output(0).get_target_inputs():
            target.replace_source_output(source)
    return [result.input(0).get_source_output() for result in graph.get_results()]
