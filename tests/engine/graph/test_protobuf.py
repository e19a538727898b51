"""Models that we write are what the package onnx reads."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.graph.onnx_graph import Graph
from engine.graph.protobuf import MICROSOFT


def test_the_package_onnx_reads_each_kind_of_attribute_constant_and_weight_and_no_operation_that_nothing_needs():
    graph = Graph()
    rows = graph.input("rows", np.float32, [1, "rows", 4])
    graph.op("Abs", rows)
    weight = graph.weight("weight", np.arange(1200, dtype=np.float16).reshape(300, 4))
    table = graph.op("Gather", graph.cast(weight, np.float32), graph.constant(-1), axis=0)
    normed = graph.op("LayerNormalization", rows * 2.5, np.ones(4), epsilon=1e-12, axis=-1)
    pooled = graph.op("MaxPool", normed, kernel_shape=[3], pads=[1, 1], auto_pad="NOTSET")
    clipped = graph.op("Clip", pooled + table, None, 3.0)
    graph.output("found", graph.op("Gelu", clipped, domain=MICROSOFT) > 0.0)
    read = onnx.load_model_from_string(graph.model(embedded=True)).graph
    nodes = {node.op_type: node for node in read.node}
    assert list(nodes) == [
        "Cast", "Gather", "Mul", "LayerNormalization", "MaxPool", "Add", "Clip", "Gelu", "Greater", "Identity"
    ]  # fmt: skip
    attributes = {
        kind: {of.name: helper.get_attribute_value(of) for of in node.attribute} for kind, node in nodes.items()
    }
    assert attributes["LayerNormalization"] == {"epsilon": pytest.approx(1e-12), "axis": -1}
    assert attributes["MaxPool"] == {"kernel_shape": [3], "pads": [1, 1], "auto_pad": b"NOTSET"}
    assert (nodes["Gelu"].domain, list(nodes["Clip"].input)[1]) == (MICROSOFT, "")
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in read.initializer}
    np.testing.assert_array_equal(arrays["weight"], np.arange(1200, dtype=np.float16).reshape(300, 4))
    assert sorted(array.size for array in arrays.values()) == [1, 1, 1, 1, 4, 1200]
    assert [of.name for of in (*read.input, *read.output)] == ["rows", "found"]
    shape = [dimension.dim_param or dimension.dim_value for dimension in read.input[0].type.tensor_type.shape.dim]
    assert shape == [1, "rows", 4]
    later = onnx.load_model_from_string(graph.model()).graph.initializer
    (given,) = (tensor for tensor in later if tensor.data_location == onnx.TensorProto.EXTERNAL)
    assert given.name == "weight"
    assert [(entry.key, entry.value) for entry in given.external_data] == [("location", "given")]
