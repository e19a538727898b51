"""The operations of family formulas, recorded as ONNX. Hidden states are ``(1, rows, size)``, for one window."""

from typing import Any

import numpy as np

from engine.graph.onnx_graph import Graph, Node
from engine.graph.products import MIDDLE, Products
from engine.graph.protobuf import MICROSOFT
from engine.models.family import Family, Operations


class GraphOperations(Operations):
    """Records the operations of a family in a graph; ``position`` is that of each row, int64 ``(rows,)``."""

    def __init__(self, graph: Graph, family: Family, products: Products, position: Node) -> None:
        self.graph, self.family, self.products = graph, family, products
        self.op = graph.op
        self.move(position)
        self.middles = graph.cast(position * 0 + MIDDLE, np.uint8)
        self.reading: set[int] = set()  # layers whose attention is read
        self.attention: dict[int, Node] = {}  # layer → mean over heads, (rows, rows)

    def keep(self, rows: Node) -> None:
        """Goes on with these rows, int64 ``(rows,)``."""
        self.move(self.op("Gather", self.position, rows))
        self.middles = self.op("Gather", self.middles, rows)

    def weight(self, name: str) -> Node:
        return self.graph.weight(name, self.products.tensor(name))

    def embedding(self, name: str, ids: Node) -> Node:
        """See `Operations`; a table in half precision stays so, which makes the graph smaller."""
        table = self.graph.weight(f"{name}.table", self.products.stored(f"{name}.weight"))
        return self.number(self.take(table, ids, 0))

    def linear(self, values: Node, *modules: str, per_row: bool = False, exact: bool = False) -> Any:
        middles = self.middles if per_row else None
        output = self.products.linear(self.graph, values, modules, middles=middles, exact=exact)
        return output if len(modules) == 1 else self.split(output, len(modules))

    def norm(self, values: Node, module: str, epsilon: float) -> Node:
        scale, bias = self.weight(f"{module}.weight"), f"{module}.bias"
        given = self.weight(bias) if self.products.has(bias) else None
        return self.op("LayerNormalization", values, scale, *([given] if given else []), epsilon=epsilon)

    def activation(self, name: str, values: Node) -> Node:
        if name in ("silu", "swish"):
            return values * self.op("Sigmoid", values)
        if name in ("gelu", "gelu_python"):
            return self.op("Gelu", values, domain=MICROSOFT)
        if name.startswith("gelu"):  # the others of its kind are approximate
            return self.op("Gelu", values, approximate="tanh")
        return self.op(name.capitalize(), values)  # Relu, Sigmoid or Tanh

    def dropout(self, values: Node) -> Node:
        return values

    def attend(self, number: int, query: Node, key: Node, value: Node) -> Node:
        family = self.family
        relation = self.cached(("relation", family.kind(number)), lambda: family.relation(self, number, self.position))
        bias = None
        if relation is not None:
            rows = [self.reshape(part, [-1, family.hidden_size]) for part in (query, key)]
            bias = family.bias(self, number, rows[0], rows[1], relation)
        if number in self.reading:
            return self._attend_readably(number, query, key, value, bias)
        optional = None, None, None if bias is None else self.unsqueeze(bias, 0)
        heads: dict[str, Any] = {"num_heads": family.num_heads, "scale": family.score_scale}
        return self.op("MultiHeadAttention", query, key, value, *optional, domain=MICROSOFT, **heads)

    def _attend_readably(self, number: int, query: Node, key: Node, value: Node, bias: Node | None) -> Node:
        """Attention written out, whose probabilities a gate reads."""
        family = self.family
        heads = [self.heads(part, family.num_heads) for part in (query, key, value)]
        scores = self.product(heads[0], heads[1], transposed=True) * family.score_scale
        probabilities = self.op("Softmax", scores if bias is None else scores + bias, axis=-1)
        self.attention[number] = self.op("ReduceMean", probabilities, [0], keepdims=0)
        attended = self.op("Transpose", self.product(probabilities, heads[2]), perm=[1, 0, 2])
        return self.reshape(attended, [1, -1, family.hidden_size])

    def heads(self, values: Node, heads: int) -> Node:
        return self.op("Transpose", self.reshape(values, [-1, heads, self.family.head_size]), perm=[1, 0, 2])

    def split(self, values: Node, parts: int) -> Any:
        return self.op("Split", values, outputs=parts, axis=-1, num_outputs=parts)

    def rotated(self, values: Node, cosine: Node, sine: Node) -> Node:
        return self.op("RotaryEmbedding", values, [0], cosine, sine, domain=MICROSOFT)

    def reshape(self, values: Node, shape: list[int]) -> Node:
        return self.op("Reshape", values, shape)

    def unsqueeze(self, values: Node, axis: int) -> Node:
        return self.op("Unsqueeze", values, [axis])

    def take(self, table: Node, index: Node, axis: int) -> Node:
        return self.op("Gather", table, index, axis=axis)

    def gather(self, values: Node, index: Node) -> Node:
        shape = self.op("Shape", index, dtype=np.int64)
        heads = self.op("Concat", [self.family.num_heads], shape, axis=0)
        return self.op("GatherElements", values, self.op("Expand", index, heads), axis=-1)

    def product(self, left: Node, right: Node, *, transposed: bool = False) -> Node:
        return self.op("MatMul", left, self.op("Transpose", right, perm=[0, 2, 1]) if transposed else right)

    def transpose(self, values: Node) -> Node:
        """See `Operations`: of two axes or three."""
        return self.op("Einsum", values, equation="...ij->...ji")

    def constant(self, values: Any) -> Node:
        return self.graph.constant(values)

    def number(self, values: Node) -> Node:
        return self.graph.cast(values, np.float32)
