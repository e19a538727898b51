"""DeBERTa-v2 and -v3 (He et al. 2021): attention to content and to distance, each with its own queries and keys."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DebertaV2Config

from engine.pytorch.encoders.base import PostNormEncoder, Settings, bert_settings, require
from engine.pytorch.encoders.bert import LAYER_NAMES as BERT_LAYER_NAMES
from engine.pytorch.layers import PostNormLayer

TERMS = 3  # of a score: content to content, content to position, position to content
NAMES = {
    "word_embeddings": "embeddings.word_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "distance_embeddings": "encoder.rel_embeddings",
    "distance_norm": "encoder.LayerNorm",
}
LAYER_NAMES = BERT_LAYER_NAMES | {
    "qkv": ("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj")
}
SETTINGS: Settings = {
    "conv_kernel_size": ((0, None), "its convolution mixes neighbours, which may have exited"),
    "relative_attention": ((True,), "attention to distances is what this encoder is built for"),
    "pos_att_type": ((["p2c", "c2p"], ["c2p", "p2c"]), "both terms are built, and no other"),
    "share_att_key": ((True,), "distances share queries and keys with content"),
    "norm_rel_ebd": (("layer_norm",), "distances are normed"),
    "position_biased_input": ((False,), "positions stand in attention alone"),
    "type_vocab_size": ((0,), "token types are not built"),
}


class DebertaV2Encoder(PostNormEncoder):
    """DeBERTa-v3, mDeBERTa and their descendants."""

    architecture = "DebertaV2ForTokenClassification"
    prefix = "deberta"
    names = NAMES
    layer_path = "encoder.layer"
    layer_names = LAYER_NAMES
    settings = SETTINGS
    bucket: Tensor

    def __init__(self, config: DebertaV2Config) -> None:
        super().__init__(config, **bert_settings(config), positions=False)
        buckets: int = getattr(config, "position_buckets", -1)
        farthest = (
            config.max_relative_positions if config.max_relative_positions > 0 else config.max_position_embeddings
        )
        self.span = buckets if buckets > 0 else farthest
        self.distance_embeddings = nn.Embedding(2 * self.span, config.hidden_size)
        self.distance_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.divisor = (TERMS * self.hidden_size / self.num_heads) ** 0.5
        distance = torch.arange(self.max_rows)
        bucket = log_bucket(distance, buckets, farthest) if buckets > 0 else distance
        self.register_buffer("bucket", bucket.clamp(max=self.span - 1), persistent=False)
        self._tables: dict[int, tuple[Hashable, tuple[Tensor, Tensor]]] = {}

    @classmethod
    def check(cls, config: Any) -> None:
        """Also requires embeddings and heads to have the sizes that follow from the hidden size."""
        super().check(config)
        sizes = {
            "embedding_size": config.hidden_size,
            "attention_head_size": config.hidden_size // config.num_attention_heads,
        }
        require(config, {name: ((size, None), "no other size is built") for name, size in sizes.items()})
        if 0 < config.max_relative_positions < config.max_position_embeddings:
            reason = "distances beyond it are not built"
            require(config, {"max_relative_positions": ((-1, config.max_position_embeddings), reason)})

    def placed(self, number: int, position: Tensor) -> tuple[Tensor, ...]:
        """Each pair's index in the table of distances, int ``(1, 1, rows, rows)``."""
        index = torch.cat((self.span - self.bucket[1:].flip(0), self.span + self.bucket))
        return (index[position.transpose(0, 1) - position + (self.max_rows - 1)][None, None],)

    def place(self, number: int, query: Tensor, key: Tensor, *placed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Adds content-to-position and position-to-content scores."""
        (index,) = placed
        queries, keys = self._distances(number)
        index = index.expand(-1, self.num_heads, -1, -1)
        from_content = (query @ keys.transpose(1, 2)).gather(3, index)
        from_position = (key @ queries.transpose(1, 2)).gather(3, index.transpose(2, 3))
        return query / TERMS**0.5, key, from_content + from_position.transpose(2, 3)

    def row_macs(self, number: int) -> int:
        """Also each row's scores for all distances, as query and as key."""
        return super().row_macs(number) + 4 * self.span * self.hidden_size

    def _distances(self, number: int) -> tuple[Tensor, Tensor]:
        """Queries and keys of all distances in a layer, ``(heads, 2 span, head size)``, divided like scores.

        They depend only on weights, so outside training they are computed once.
        """
        layer = self.layers[number - 1]
        assert isinstance(layer, PostNormLayer)
        cached = None if torch.is_grad_enabled() else self._tables.get(number)
        used = [self.distance_embeddings.weight, *self.distance_norm.parameters(), *layer.qkv.parameters()]
        casts = torch.is_autocast_enabled(used[0].device.type)
        weights = casts, *((weight.data_ptr(), weight.dtype, weight._version) for weight in used)  # but for ``.data``
        if cached is None or cached[0] != weights:
            distances = layer.qkv(self.distance_norm(self.distance_embeddings.weight))
            query, key, _ = (
                (part / self.divisor).view(len(distances), self.num_heads, -1).transpose(0, 1)
                for part in distances.chunk(3, dim=1)
            )
            cached = (weights, (query, key))
            if not torch.is_grad_enabled():
                self._tables[number] = cached
        return cached[1]


def log_bucket(distance: Tensor, buckets: int, farthest: int) -> Tensor:
    """The bucket of a distance, int64. Buckets of the nearer half hold one distance each, further ones grow wider."""
    half = buckets // 2
    far = distance.clamp(min=half)
    scale = torch.log(torch.tensor((farthest - 1) / half))
    wide = torch.ceil(torch.log(far / half) / scale * (half - 1)) + half
    return torch.where(distance <= half, distance, wide.long())
