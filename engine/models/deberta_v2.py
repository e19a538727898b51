"""DeBERTa-v2 and -v3 (He et al. 2021): attention to content and to distance, each with its own queries and keys."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from engine.models.bert import LAYER, Bert
from engine.models.family import Operations, PostNormFamily, Shapes, Tensor, distances

TERMS = 3  # of a score: content to content, content to position, position to content


class DebertaV2(PostNormFamily):
    """DeBERTa-v3, mDeBERTa and their descendants."""

    architecture = "DebertaV2ForTokenClassification"
    prefix = "deberta"
    names: ClassVar = LAYER | {
        "word_embeddings": "embeddings.word_embeddings",
        "embedding_norm": "embeddings.LayerNorm",
        "distance_embeddings": "encoder.rel_embeddings",
        "distance_norm": "encoder.LayerNorm",
        "query": "attention.self.query_proj",
        "key": "attention.self.key_proj",
        "value": "attention.self.value_proj",
    }
    defaults: ClassVar = Bert.defaults | {
        "layer_norm_eps": 1e-7,
        "type_vocab_size": 0,
        "max_relative_positions": -1,
        "position_buckets": -1,
        "position_biased_input": True,
        "relative_attention": False,
    }
    requirements: ClassVar = {
        "conv_kernel_size": (0, None),  # a convolution mixes neighbours, which may have exited
        "relative_attention": (True,),
        "pos_att_type": (["p2c", "c2p"], ["c2p", "p2c"], "p2c|c2p", "c2p|p2c"),
        "share_att_key": (True,),
        "norm_rel_ebd": ("layer_norm",),
        "position_biased_input": (False,),
        "type_vocab_size": (0,),
    }

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.require({"embedding_size": (self.hidden_size, None), "attention_head_size": (self.head_size, None)})
        farthest = self.whole("max_relative_positions", -1)
        if 0 < farthest < self.max_rows:
            self.require({"max_relative_positions": (-1, self.max_rows)})
        self.farthest = farthest if farthest > 0 else self.max_rows
        without = self.setting("position_buckets") in (-1, 0)
        self.buckets = 0 if without else self.whole("position_buckets", 2)
        self.span = self.buckets or self.farthest
        self.score_scale = float(
            (TERMS * self.head_size) ** -0.5
        )  # the sum of the terms has the variance of a single term

    def outer_shapes(self) -> Shapes:
        """Also the table of distances and its norm."""
        return super().outer_shapes() | {
            "distance_embeddings": (2 * self.span, self.hidden_size),
            "distance_norm": (self.hidden_size,),
        }

    def relation(self, ops: Operations, number: int, position: Tensor) -> Tensor:
        """Each pair's index in the table of distances, ``(rows, rows)``."""
        distance = np.arange(self.max_rows)
        near = log_bucket(distance, self.buckets, self.farthest) if self.buckets else distance
        near = np.minimum(near, self.span - 1)
        index = np.concatenate((self.span + near[::-1], self.span - near[1:]))  # by key − query position
        return ops.take(ops.constant(index), distances(ops, position) + (self.max_rows - 1), 0)

    def bias(self, ops: Operations, number: int, query: Tensor, key: Tensor, relation: Tensor) -> Tensor:
        """Adds content-to-position and position-to-content scores."""
        table = ops.norm(
            ops.weight(self.name("distance_embeddings") + ".weight"),
            self.name("distance_norm"),
            self.epsilon,
        )
        names = self.name("query", number), self.name("key", number)
        queries, keys = (ops.heads(part, self.num_heads) for part in ops.linear(table, *names, exact=True))
        query, key = ops.heads(query, self.num_heads), ops.heads(key, self.num_heads)
        from_content = ops.gather(ops.product(query, keys, transposed=True), relation)
        from_position = ops.gather(ops.product(key, queries, transposed=True), ops.transpose(relation))
        return (from_content + ops.transpose(from_position)) * self.score_scale

    def row_macs(self, number: int) -> int:
        """Also each row's scores for all distances, as query and as key."""
        return super().row_macs(number) + 4 * self.span * self.hidden_size


def log_bucket(distance: np.ndarray, buckets: int, farthest: int) -> np.ndarray:
    """The bucket of a distance, int64. Buckets of the nearer half hold one distance each, further ones grow wider."""
    half = buckets // 2
    far = np.maximum(distance, half).astype(np.float32)
    scale = np.log(np.float32((farthest - 1) / half))
    wide = np.ceil(np.log(far / np.float32(half)) / scale * np.float32(half - 1)) + half
    return np.where(distance <= half, distance, wide.astype(np.int64))
