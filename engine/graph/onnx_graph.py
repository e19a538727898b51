"""An ONNX graph under construction, whose values have operators like arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# What every supported version of ONNX Runtime, from 1.20 on, and of onnxruntime-web reads.
OPSET, IR_VERSION = 21, 10
MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
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
        self._nodes: list[Any] = []
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._names: dict[str, Node] = {}
        self._constants: dict[tuple[bytes, Any, tuple[int, ...]], Node] = {}
        self._small: list[Any] = []
        self.weights: dict[str, np.ndarray] = {}

    def input(self, name: str, dtype: Any, shape: Sequence[str | int]) -> Node:
        """The input of this name, created when first asked for."""
        if name not in self._inputs:
            dtype = np.dtype(dtype)
            self._inputs[name] = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
            self._names[name] = Node(self, name, dtype)
        return self._names[name]

    def output(self, name: str, node: Node) -> None:
        """Makes a node an output of this name."""
        self._nodes.append(helper.make_node("Identity", [node.name], [name]))
        self._outputs[name] = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(node.dtype), None)

    def op(self, kind: str, *inputs: Any, outputs: int = 1, dtype: Any = None, **attributes: Any) -> Any:
        """Records an operation on nodes and constants; ``None`` leaves an optional input out.

        Returns a node of a dtype, by default that of the first input, or a tuple of them.
        """
        domain = attributes.pop("domain", "")
        nodes: list[Any] = [
            given if given is None or isinstance(given, Node) else self.constant(given) for given in inputs
        ]
        dtype = np.dtype(dtype or nodes[0].dtype)
        made = [Node(self, f"v{len(self._nodes)}.{index}", dtype) for index in range(outputs)]
        names = ["" if node is None else node.name for node in nodes]
        self._nodes.append(helper.make_node(kind, names, [node.name for node in made], domain=domain, **attributes))
        return made[0] if outputs == 1 else tuple(made)

    def cast(self, node: Node, dtype: Any) -> Node:
        """A node in another dtype."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return node if node.dtype == dtype else self.op("Cast", node, to=kind, dtype=dtype)

    def constant(self, values: Any, dtype: Any = None) -> Node:
        """An array or number in the graph; without a dtype, it is int64, bool or else float32."""
        array = np.asarray(values)
        array = array.astype(dtype or DTYPES.get(array.dtype.kind))
        key = array.tobytes(), array.dtype, array.shape
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            if array.nbytes > SMALL:
                self.weights[name] = array
            else:
                self._small.append(numpy_helper.from_array(array, name))
            self._constants[key] = Node(self, name, array.dtype)
        return self._constants[key]

    def weight(self, name: str, array: np.ndarray) -> Node:
        """A large array, which the graph declares and whoever runs it provides."""
        if name not in self.weights:
            self.weights[name] = array
            self._names[name] = Node(self, name, array.dtype)
        return self._names[name]

    def model(self, *, embedded: bool = False) -> Any:
        """The ``onnx.ModelProto``, with the weights in it if they are ``embedded``, else as external data.

        It consists of what the outputs depend on.
        """
        nodes, used = [], set(self._outputs)
        for node in reversed(self._nodes):
            if used.intersection(node.output):
                nodes.append(node)
                used.update(node.input)
        self.weights = {name: array for name, array in self.weights.items() if name in used}
        tensors = [tensor for tensor in self._small if tensor.name in used]
        for name, array in self.weights.items():
            if embedded:
                tensors.append(numpy_helper.from_array(array, name))
                continue
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            tensor = TensorProto(name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
            tensor.external_data.add(key="location", value="given")
            tensors.append(tensor)
        inputs = [value for name, value in self._inputs.items() if name in used]
        graph = helper.make_graph(nodes[::-1], "pass", inputs, list(self._outputs.values()), tensors)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
