"""MPNet (Song et al. 2020): RoBERTa's positions, and a bias by distance that all layers share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MPNetConfig

from engine.pytorch.encoders.base import PostNormEncoder, Settings, bert_settings
from engine.pytorch.encoders.bert import NAMES as BERT_NAMES

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
        super().__init__(config, **bert_settings(config), first_position=FIRST_POSITION)
        self.relative_bias = nn.Embedding(BUCKETS, self.num_heads)
        distances = torch.arange(1 - self.max_rows, self.max_rows)
        self.register_buffer("bucket", bucket(distances), persistent=False)

    def placed(self, number: int, position: Tensor) -> tuple[Tensor, ...]:
        """The bias by distance, ``(1, heads, rows, rows)``, the same in all layers.

        It stays as pretrained: its gradient would scatter a number for every pair of rows, and keep attention from
        using PyTorch's fused kernel.
        """
        by_distance = F.embedding(self.bucket, self.relative_bias.weight.detach()).t().contiguous()
        distance = position - position.transpose(0, 1) + (self.max_rows - 1)
        return (by_distance[:, distance].unsqueeze(0),)

    def place(self, number: int, query: Tensor, key: Tensor, *placed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Adds the bias."""
        return query, key, placed[0]


def bucket(distance: Tensor) -> Tensor:
    """The bucket, 0–31, of key position − query position, int64: one distance each below 8, then wider (as in T5)."""
    half = BUCKETS // 2
    exact = half // 2
    far = distance.abs()
    wide = exact + (torch.log(far.float() / exact) / math.log(MAX_DISTANCE / exact) * (half - exact)).long()
    return (distance > 0).long() * half + torch.where(far < exact, far, wide.clamp(max=half - 1))
