"""MPNet (Song et al. 2020): RoBERTa's positions, and a bias by distance that all layers share."""

import math
from typing import ClassVar

import numpy as np

from engine.models.bert import EMBEDDINGS, LAYER, Bert
from engine.models.family import Operations, PostNormFamily, Shapes, Tensor, distances

BUCKETS, MAX_DISTANCE = 32, 128


class MPNet(PostNormFamily):
    """MPNet."""

    architecture = "MPNetForTokenClassification"
    prefix = "mpnet"
    names: ClassVar = (
        EMBEDDINGS
        | LAYER
        | {
            "relative_bias": "encoder.relative_attention_bias",
            "query": "attention.attn.q",
            "key": "attention.attn.k",
            "value": "attention.attn.v",
            "attention_output": "attention.attn.o",
            "attention_norm": "attention.LayerNorm",
        }
    )
    defaults: ClassVar = Bert.defaults | {"relative_attention_num_buckets": BUCKETS}
    requirements: ClassVar = {"relative_attention_num_buckets": (BUCKETS,)}  # which the library uses whatever is set

    @property
    def first_position(self) -> int:
        """The same whatever the padding token."""
        return 2

    def outer_shapes(self) -> Shapes:
        """Also the bias by distance."""
        return super().outer_shapes() | {"relative_bias": (BUCKETS, self.num_heads)}

    def relation(self, ops: Operations, number: int, position: Tensor) -> Tensor:
        """The bias by distance, ``(heads, rows, rows)``, the same in all layers."""
        table = ops.weight(self.name("relative_bias") + ".weight")
        by_distance = ops.take(table, ops.constant(bucket(np.arange(1 - self.max_rows, self.max_rows))), 0)
        return ops.take(ops.transpose(by_distance), distances(ops, position) + (self.max_rows - 1), 1)

    def bias(self, ops: Operations, number: int, query: Tensor, key: Tensor, relation: Tensor) -> Tensor:
        return relation


def bucket(distance: np.ndarray) -> np.ndarray:
    """The bucket, 0–31, of key position − query position, int64: one distance each below 8, then wider (as in T5)."""
    half = BUCKETS // 2
    exact = half // 2
    far = np.abs(distance)
    # In float32, as in the library: a distance at the edge of a bucket must not change sides.
    wide = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact)) / np.float32(
        math.log(MAX_DISTANCE / exact)
    )
    wide = exact + (wide * np.float32(half - exact)).astype(np.int64)
    return (distance > 0) * half + np.where(far < exact, far, np.minimum(wide, half - 1))
