"""An ONNX graph under construction, whose values have operators like arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.graph import protobuf

DTYPES: dict[str, Any] = {"f": np.float32, "i": np.int64, "b": np.bool_}  # of constants, by their kind in NumPy
SMALL = 1024  # bytes up to which an array stands in the graph itself; larger ones are given to the session


def _operator(kind: str, dtype: Any = None, *, reflected: bool = False) -> Callable[[Node, Any], Node]:
    """A method of `Node` that records an operation, whose result has this dtype or that of the node."""

    def method(node: Node, other: Any) -> Node:
        if not isinstance(other, Node):
            other = node.graph.constant(other, node.dtype)
        operands = (other, node) if reflected else (node, other)
        return node.graph.op(kind, *operands, dtype=dtype or node.dtype)

    return method


class Node:
    """A value of a graph. Arithmetic and comparisons record an operation; a number becomes a constant of its type."""

    __slots__ = ("dtype", "graph", "name")
    __array_ufunc__ = None  # so that NumPy numbers leave operators to us

    def __init__(self, graph: Graph, name: str, dtype: np.dtype) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    __add__ = __radd__ = _operator("Add")
    __mul__ = __rmul__ = _operator("Mul")
    __sub__, __rsub__ = _operator("Sub"), _operator("Sub", reflected=True)
    __truediv__ = _operator("Div")
    __and__, __or__ = _operator("And"), _operator("Or")
    __lt__, __le__ = _operator("Less", np.bool_), _operator("LessOrEqual", np.bool_)
    __gt__, __ge__ = _operator("Greater", np.bool_), _operator("GreaterOrEqual", np.bool_)

    def __invert__(self) -> Node:
        return self.graph.op("Not", self)


class Graph:
    """Nodes, constants, inputs and outputs of a graph; `model` is the result."""

    def __init__(self) -> None:
        self._operations: list[tuple[Sequence[str], Sequence[str], bytes]] = []  # inputs, outputs, the node as ONNX
        self._inputs: dict[str, tuple[Node, Sequence[str | int]]] = {}
        self._outputs: dict[str, Node] = {}
        self._constants: dict[tuple[bytes, Any, tuple[int, ...]], Node] = {}
        self._small: dict[str, np.ndarray] = {}
        self.weights: dict[str, np.ndarray] = {}

    def input(self, name: str, dtype: Any, shape: Sequence[str | int]) -> Node:
        """The input of this name, created when first asked for."""
        if name not in self._inputs:
            self._inputs[name] = Node(self, name, np.dtype(dtype)), shape
        return self._inputs[name][0]

    def output(self, name: str, node: Node) -> None:
        self._record("Identity", [node.name], [name])
        self._outputs[name] = node

    def op(self, kind: str, *inputs: Any, outputs: int = 1, dtype: Any = None, **attributes: Any) -> Any:
        """Records an operation on nodes and constants; ``None`` leaves an optional input out.

        Returns a node of a dtype, by default that of the first input, or a tuple of them.
        """
        nodes: list[Any] = [
            given if given is None or isinstance(given, Node) else self.constant(given) for given in inputs
        ]
        dtype = np.dtype(dtype or nodes[0].dtype)
        made = [Node(self, f"v{len(self._operations)}.{index}", dtype) for index in range(outputs)]
        names = ["" if node is None else node.name for node in nodes]
        self._record(kind, names, [node.name for node in made], **attributes)
        return made[0] if outputs == 1 else tuple(made)

    def _record(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self._operations.append((inputs, outputs, protobuf.node(kind, inputs, outputs, **attributes)))

    def cast(self, node: Node, dtype: Any) -> Node:
        """A node in another dtype."""
        kind = protobuf.DATA_TYPES[np.dtype(dtype)]
        return node if node.dtype == dtype else self.op("Cast", node, to=kind, dtype=dtype)

    def constant(self, values: Any, dtype: Any = None) -> Node:
        """An array or number in the graph; without a dtype, it is int64, bool or else float32."""
        array = np.asarray(values)
        array = array.astype(dtype or DTYPES.get(array.dtype.kind))
        key = array.tobytes(), array.dtype, array.shape
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            (self.weights if array.nbytes > SMALL else self._small)[name] = array
            self._constants[key] = Node(self, name, array.dtype)
        return self._constants[key]

    def weight(self, name: str, array: np.ndarray) -> Node:
        """A large array, which the graph declares and whoever runs it provides."""
        return Node(self, name, self.weights.setdefault(name, array).dtype)

    def model(self, *, embedded: bool = False, metadata: Mapping[str, str] = {}) -> bytes:
        """The model as ONNX, with the weights in it if they are ``embedded``, else to be given.

        It consists of what the outputs depend on.
        """
        nodes, used = list[bytes](), set(self._outputs)
        for inputs, outputs, node in reversed(self._operations):
            if used.intersection(outputs):
                nodes.append(node)
                used.update(inputs)
        self.weights = {name: array for name, array in self.weights.items() if name in used}
        tensors = [protobuf.tensor(name, array) for name, array in self._small.items() if name in used]
        tensors += [protobuf.tensor(name, array, external=not embedded) for name, array in self.weights.items()]
        return protobuf.model(
            nodes[::-1],
            (protobuf.value_info(name, node.dtype, of) for name, (node, of) in self._inputs.items() if name in used),
            (protobuf.value_info(name, node.dtype, None) for name, node in self._outputs.items()),
            tensors,
            metadata,
        )
