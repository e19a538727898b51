"""Models that we write are what the package onnx reads."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.graph.onnx_graph import IR_VERSION, MICROSOFT, OPSET, Graph


@pytest.fixture
def graph():
    """One with each kind of attribute, constant and weight, and an operation that no output needs."""
    graph = Graph()
    rows = graph.input("rows", np.float32, [1, "rows", 4])
    graph.op("Abs", rows)
    weight = graph.weight("weight", np.arange(1200, dtype=np.float16).reshape(300, 4))
    table = graph.op("Gather", graph.cast(weight, np.float32), graph.constant(-1), axis=0)
    normed = graph.op("LayerNormalization", rows * 2.5, np.ones(4), epsilon=1e-12, axis=-1)
    pooled = graph.op("MaxPool", normed, kernel_shape=[3], pads=[1, 1], auto_pad="NOTSET")
    clipped = graph.op("Clip", pooled + table, None, 3.0)
    graph.output("found", graph.op("Gelu", clipped, domain=MICROSOFT) > 0.0)
    return graph


def test_the_package_onnx_reads_a_model(graph):
    model = onnx.load_model_from_string(graph.model(embedded=True, metadata={"max_rows": "512"}))
    assert (model.ir_version, {of.domain: of.version for of in model.opset_import}) == (
        IR_VERSION,
        {"": OPSET, MICROSOFT: 1},
    )
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("max_rows", "512")]


def test_it_reads_what_was_recorded(graph):
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


def test_weights_that_are_given_later_are_only_declared(graph):
    (tensor,) = [
        tensor
        for tensor in onnx.load_model_from_string(graph.model()).graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    assert (tensor.name, list(tensor.dims), tensor.data_type) == ("weight", [300, 4], onnx.TensorProto.FLOAT16)
    assert [(entry.key, entry.value) for entry in tensor.external_data] == [("location", "given")]
