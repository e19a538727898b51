"""MPNet (Song et al. 2020): RoBERTa's positions, and a bias by distance that all layers share."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MPNetConfig

from engine.model.attention import QueryGroup, once, state, window_query_groups
from engine.model.encoders.base import PostNormEncoder, Settings, like_bert
from engine.model.encoders.bert import NAMES as BERT_NAMES
from engine.model.layers import Placing
from engine.model.packing import RaggedBatch

FIRST_POSITION = 2  # regardless of the padding token
BUCKETS, MAX_DISTANCE = 32, 128
NAMES = {name: theirs for name, theirs in BERT_NAMES.items() if name != "token_type_embeddings"} | {
    "relative_bias": "encoder.relative_attention_bias"
}
LAYER_NAMES = {
    "qkv": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    "attention_output": "attention.attn.o",
    "attention_norm": "attention.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
SETTINGS: Settings = {"relative_attention_num_buckets": ((BUCKETS,), f"the library uses {BUCKETS} whatever is set")}


class MPNetEncoder(PostNormEncoder):
    """MPNet."""

    architecture = "MPNetForTokenClassification"
    prefix = "mpnet"
    names = NAMES
    layer_path = "encoder.layer"
    layer_names = LAYER_NAMES
    settings = SETTINGS
    bucket: Tensor

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__(config, **like_bert(config), first_position=FIRST_POSITION)
        self.relative_bias = nn.Embedding(BUCKETS, self.num_heads)
        distances = torch.arange(1 - self.max_rows, self.max_rows)
        self.register_buffer("bucket", bucket(distances), persistent=False)

    def placing(self, number: int, batch: RaggedBatch) -> Placing:
        """The bias by distance, computed once for all layers."""
        query_groups = once(batch, ("bias", state(self.relative_bias.weight)), partial(self._query_groups, batch))
        return Placing(query_groups=lambda query, key: query_groups)

    def placed(self, number: int, position: Tensor) -> tuple[Tensor, ...]:
        """The bias by distance, float32 ``(1, heads, rows, rows)``, the same in all layers."""
        distance = position - position.transpose(0, 1) + (self.max_rows - 1)
        return (self._by_distance()[:, distance].unsqueeze(0),)

    def scores(self, number: int, query: Tensor, key: Tensor, *placed: Tensor) -> Tensor:
        """Adds the bias."""
        return super().scores(number, query, key) + placed[0]

    def _by_distance(self) -> Tensor:
        """The bias of each distance, ``(heads, distances)``."""
        return F.embedding(self.bucket, self.relative_bias.weight.detach()).t().contiguous()

    def _bias(self, by_distance: Tensor, query: np.ndarray, key: np.ndarray) -> Tensor:
        """Looks up the bias ``(heads, queries, keys)`` of rows at these positions in the bias of each distance."""
        zero, most = self.max_rows - 1, by_distance.shape[1]
        first = zero + int(key[0] - query[-1])
        if _is_consecutive(query) and _is_consecutive(key) and 0 <= first <= most - len(query) - len(key) + 1:
            # Each row of the bias is a part of the table, so nothing has to be looked up.
            return by_distance.unfold(1, len(key), 1)[:, first : first + len(query)].flip(1)
        places = (key - query[:, None] + zero).ravel().clip(0, most - 1)
        found = by_distance.index_select(1, torch.from_numpy(places).to(by_distance.device))
        return found.view(-1, len(query), len(key))

    def _query_groups(self, batch: RaggedBatch) -> list[QueryGroup]:
        """All windows with their bias ``(heads, queries, keys)``.

        The bias stays as pretrained: its gradient would scatter a number for every pair of rows, and keep attention
        from using PyTorch's fused kernel.
        """
        by_distance = self._by_distance()
        found = []
        for one in window_query_groups(batch):
            position = batch.position[one.keys]
            found.append(QueryGroup(one.queries, one.keys, self._bias(by_distance, position, position)))
        return found


def _is_consecutive(position: np.ndarray) -> bool:
    return int(position[-1] - position[0]) == len(position) - 1


def bucket(distance: Tensor) -> Tensor:
    """The bucket, 0–31, of key position − query position, int64: one distance each below 8, then wider (as in T5)."""
    half = BUCKETS // 2
    exact = half // 2
    far = distance.abs()
    wide = exact + (torch.log(far.float() / exact) / math.log(MAX_DISTANCE / exact) * (half - exact)).long()
    return (distance > 0).long() * half + torch.where(far < exact, far, wide.clamp(max=half - 1))
