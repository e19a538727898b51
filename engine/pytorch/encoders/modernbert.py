"""ModernBERT (Warner et al. 2024): rotary positions, local attention in most layers, pre-norm instead of post-norm."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ModernBertConfig
from transformers.activations import ACT2FN

from engine.pytorch.encoders.base import Encoder, Settings, require
from engine.pytorch.layers import Layer, linear

LOCAL = "sliding_attention"
HIDDEN = -1e4  # added to the scores of keys that a query does not see; their weights are then exactly 0
ROPE_SETTINGS: Settings = {"rope_type": (("default",), "stretched positions are not built")}
NAMES = {
    "word_embeddings": "embeddings.tok_embeddings",
    "embedding_norm": "embeddings.norm",
    "final_norm": "final_norm",
    "prediction": ".head.dense",
    "prediction_norm": ".head.norm",
}
LAYER_NAMES = {
    "attention_norm": "attn_norm",
    "qkv": "attn.Wqkv",
    "attention_output": "attn.Wo",
    "intermediate_norm": "mlp_norm",
    "intermediate": "mlp.Wi",
    "output": "mlp.Wo",
}


class ModernBertEncoder(Encoder):
    """ModernBERT and its biomedical descendants.

    Words exit with their residual stream unnormed; the final norm precedes every label head, and the classifier has a
    prediction head as well.
    """

    architecture = "ModernBertForTokenClassification"
    prefix = "model"
    names = NAMES
    layer_path = "layers"
    layer_names = LAYER_NAMES

    def __init__(self, config: Any) -> None:
        super().__init__(config, config.max_position_embeddings, config.embedding_dropout)
        self.kinds: list[str] = config.layer_types
        self.reach = config.sliding_window
        size = config.hidden_size
        self.thetas: dict[str, float] = {kind: config.rope_parameters[kind]["rope_theta"] for kind in set(self.kinds)}
        norm = partial(nn.LayerNorm, size, eps=config.norm_eps, bias=config.norm_bias)
        self.word_embeddings = nn.Embedding(config.vocab_size, size)
        self.embedding_norm = norm()
        self.layers = nn.ModuleList(ModernBertLayer(config, first=index == 0) for index in range(self.num_layers))
        self.final_norm = norm()
        self.prediction = nn.Linear(size, size, config.classifier_bias)
        self.prediction_activation = ACT2FN[config.classifier_activation]
        self.prediction_norm = norm()

    @classmethod
    def check(cls, config: Any) -> None:
        """Also requires rotary positions without scaling."""
        for rope in config.rope_parameters.values():
            require(SimpleNamespace(**rope, model_type=config.model_type), ROPE_SETTINGS)

    @classmethod
    def shorten(cls, config: Any, layers: int) -> None:
        """Also shortens the list that says which layers attend globally."""
        super().shorten(config, layers)
        config.layer_types = config.layer_types[:layers]

    def embedded(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Embeds word pieces; positions are not embedded."""
        hidden = self.embedding_norm(self.word_embeddings(input_ids))
        return F.dropout(hidden, self.dropout) if self.training else hidden

    def features(self, number: int, hidden: Tensor) -> Tensor:
        """Applies the final norm and, before the classifier, the prediction head."""
        hidden = self.final_norm(hidden)
        if number < self.num_layers:
            return hidden
        return self.prediction_norm(self.prediction_activation(self.prediction(hidden)))

    def kind(self, number: int) -> str:
        """Whether attention is local."""
        return self.kinds[number - 1]

    def placed(self, number: int, position: Tensor) -> tuple[Tensor, ...]:
        """Cosines and sines of rotations, ``(1, 1, rows, head size / 2)``, and in local layers the bias by distance.

        The bias, ``(1, 1, rows, rows)``, is `HIDDEN` where rows are too far apart.
        """
        kind = self.kinds[number - 1]
        angle = position[:, None, :, None] * self._frequencies(kind, position.device)
        if kind != LOCAL:
            return angle.cos(), angle.sin()
        far = (position.transpose(0, 1) - position).abs() > self.reach
        return angle.cos(), angle.sin(), far[None, None] * HIDDEN

    def place(self, number: int, query: Tensor, key: Tensor, *placed: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rotates queries and keys; adds the bias in local layers."""
        cosine, sine, *bias = placed
        return rotate(query, cosine, sine), rotate(key, cosine, sine), bias[0] if bias else None

    def _frequencies(self, kind: str, device: torch.device) -> Tensor:
        """Frequencies of the rotations, float32 ``(head size / 2,)``."""
        size = self.hidden_size // self.num_heads
        return self.thetas[kind] ** -(torch.arange(0, size, 2, device=device) / size)

    def row_macs(self, number: int) -> int:
        """Also the gated feed-forward's third matrix."""
        return super().row_macs(number) + self.hidden_size * self.intermediate_size

    def features_macs(self, number: int) -> int:
        """MACs of the prediction head, which runs only before the classifier."""
        return self.hidden_size**2 if number == self.num_layers else 0


class ModernBertLayer(Layer):
    """Norm, self-attention, norm, gated feed-forward; both outputs are added to the hidden states."""

    def __init__(self, config: ModernBertConfig, *, first: bool) -> None:
        super().__init__()
        size, intermediate = config.hidden_size, config.intermediate_size
        self.num_heads = config.num_attention_heads
        self.dropout = float(config.mlp_dropout)
        norm = partial(nn.LayerNorm, size, eps=config.norm_eps, bias=config.norm_bias)
        self.attention_norm = None if first else norm()  # embeddings are normed already
        self.qkv = linear(size, 3 * size, bias=config.attention_bias)
        self.attention_output = linear(size, size, bias=config.attention_bias)
        self.intermediate_norm = norm()
        self.intermediate = linear(size, 2 * intermediate, bias=config.mlp_bias)
        self.activation = ACT2FN[config.hidden_activation]
        self.output = linear(intermediate, size, bias=config.mlp_bias)

    def normed(self, hidden: Tensor) -> Tensor:
        """The input of attention, ``(n, hidden)``."""
        return hidden if self.attention_norm is None else self.attention_norm(hidden)

    def update(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Adds the attention output, then the feed-forward output."""
        hidden = self.residual(hidden, self.attention_output(attended))
        values, gate = self.intermediate(self.intermediate_norm(hidden)).chunk(2, dim=-1)
        return self.residual(hidden, self.output(self.activation(values) * gate))


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotates the two halves of heads ``(…, head size)`` against each other (Su et al. 2021)."""
    one, other = heads.float().chunk(2, dim=-1)  # bfloat16 cannot tell distant positions apart
    return torch.cat((one * cosine - other * sine, other * cosine + one * sine), dim=-1).to(heads.dtype)
