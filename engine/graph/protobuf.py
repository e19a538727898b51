"""Writes ONNX models as protocol buffers: the messages and fields of onnx.proto that a pass consists of.

The package ``onnx`` would do the same; importing it takes longer than tagging a text.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# TensorProto.DataType of each dtype that a pass has.
DATA_TYPES: Mapping[np.dtype[Any], int] = {
    np.dtype(dtype): number
    for dtype, number in (("f4", 1), ("u1", 2), ("i1", 3), ("i4", 6), ("i8", 7), ("?", 9), ("f2", 10))
}
EXTERNAL = 1  # TensorProto.DataLocation
MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
# What every supported version of ONNX Runtime, from 1.20 on, and of onnxruntime-web reads.
OPSETS, IR_VERSION = {"": 21, MICROSOFT: 1}, 10


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers as two's complement
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def field(number: int, value: int | str | bytes) -> bytes:
    """A field: a whole number, a text, or the bytes of a message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def fields(number: int, values: Iterable[int | str | bytes]) -> bytes:
    """A repeated field."""
    return b"".join(field(number, value) for value in values)


def attribute(name: str, value: Any) -> bytes:
    """An AttributeProto: a number, a text, or a list of whole numbers."""
    named = field(1, name)
    if isinstance(value, float):
        return named + _varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, int):
        return named + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return named + field(4, value) + field(20, 3)
    return named + fields(8, map(int, value)) + field(20, 7)


def node(kind: str, inputs: Iterable[str], outputs: Iterable[str], *, domain: str = "", **attributes: Any) -> bytes:
    """A NodeProto; ``""`` stands for an optional input that is left out."""
    given = (attribute(name, value) for name, value in sorted(attributes.items()))
    return fields(1, inputs) + fields(2, outputs) + field(4, kind) + fields(5, given) + field(7, domain)


def value_info(name: str, dtype: np.dtype[Any], shape: Sequence[int | str] | None) -> bytes:
    """A ValueInfoProto: the name, dtype and shape of an input or output, whose sizes may be named or unknown."""
    tensor = field(1, DATA_TYPES[dtype])
    if shape is not None:
        tensor += field(2, fields(1, (field(1 if isinstance(size, int) else 2, size) for size in shape)))
    return field(1, name) + field(2, field(1, tensor))


def tensor(name: str, array: np.ndarray, *, external: bool = False) -> bytes:
    """A TensorProto; an ``external`` one says only that whoever runs the graph gives it."""
    head = fields(1, array.shape) + field(2, DATA_TYPES[array.dtype]) + field(8, name)
    if not external:
        return head + field(9, array.tobytes())
    return head + field(13, field(1, "location") + field(2, "given")) + field(14, EXTERNAL)


def model(
    nodes: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    tensors: Iterable[bytes],
    metadata: Mapping[str, str],
) -> bytes:
    """A ModelProto with one graph."""
    graph = fields(1, nodes) + field(2, "pass") + fields(5, tensors) + fields(11, inputs) + fields(12, outputs)
    imported = (field(1, domain) + field(2, version) for domain, version in OPSETS.items())
    known = (field(1, key) + field(2, value) for key, value in metadata.items())
    return field(1, IR_VERSION) + field(7, graph) + fields(8, imported) + fields(14, known)
