"""ModernBERT (Warner et al. 2024): rotary positions, local attention in most layers, pre-norm instead of post-norm."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from engine.errors import InputError
from engine.models.family import MOST_THETA, Family, Operations, Shapes, Tensor, distances

KINDS = GLOBAL, LOCAL = "full_attention", "sliding_attention"
MASKED_SCORE = -1e4  # added to the scores of keys that a query does not see; their weights are then exactly 0


class ModernBert(Family):
    """ModernBERT and its biomedical descendants.

    Words exit with their residual stream unnormed; the final norm precedes every label head, and the classifier has a
    prediction head as well.
    """

    architecture = "ModernBertForTokenClassification"
    biases = False
    prefix = "model"
    layer_path = "layers"
    names: ClassVar = {
        "word_embeddings": "embeddings.tok_embeddings",
        "embedding_norm": "embeddings.norm",
        "final_norm": "final_norm",
        "attention_norm": "attn_norm",
        "qkv": "attn.Wqkv",
        "attention_output": "attn.Wo",
        "intermediate_norm": "mlp_norm",
        "intermediate": "mlp.Wi",
        "output": "mlp.Wo",
    }
    prediction, prediction_norm = "head.dense", "head.norm"  # outside the base model
    defaults: ClassVar = {
        "norm_eps": 1e-5,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160_000.0,
        "local_rope_theta": 10_000.0,
        "embedding_dropout": 0.0,
    }
    keys: ClassVar = {"hidden_dropout_prob": "embedding_dropout", "layer_norm_eps": "norm_eps"}
    activations: ClassVar = ("hidden_activation", "classifier_activation")

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        every = self.whole("global_attn_every_n_layers")
        kinds = self.config.get("layer_types") or [LOCAL if i % every else GLOBAL for i in range(self.num_layers)]
        if not isinstance(kinds, list) or len(kinds) < self.num_layers or any(kind not in KINDS for kind in kinds):
            raise InputError(f"layer_types in config.json must name each layer's kind, {' or '.join(KINDS)}.")
        self.kinds = kinds[: self.num_layers]
        self.reach = self.whole("local_attention") // 2
        thetas = {GLOBAL: "global_rope_theta", LOCAL: "local_rope_theta"}
        self.thetas = {kind: self.positive(name, MOST_THETA) for kind, name in thetas.items()}
        rotary = self.config.get("rope_parameters") or {}
        if not isinstance(rotary, dict) or not all(isinstance(rope, dict) for rope in rotary.values()):
            raise InputError("rope_parameters in config.json must be an object for each kind of layer.")
        for kind, rope in rotary.items():
            if rope.get("rope_type", "default") != "default":
                raise InputError(f"modernbert with rope_type = {rope['rope_type']!r} is not supported, only 'default'.")
            self.thetas[kind] = self.positive("rope_theta", MOST_THETA, rope)

    def outer_shapes(self) -> Shapes:
        """Word embeddings, the final norm and the prediction head."""
        hidden = self.hidden_size
        norms = dict.fromkeys(("embedding_norm", "final_norm", self.prediction_norm), (hidden,))
        return {"word_embeddings": (self.vocab_size, hidden), self.prediction: (hidden, hidden), **norms}

    def layer_shapes(self, number: int) -> Shapes:
        """Fused products; the first layer has no norm before attention."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "qkv": (3 * hidden, hidden),
            "attention_output": (hidden, hidden),
            "intermediate_norm": (hidden,),
            "intermediate": (2 * inner, hidden),
            "output": (hidden, inner),
        } | ({"attention_norm": (hidden,)} if number > 1 else {})

    def embed(self, ops: Operations, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Embeds word pieces; positions are not embedded."""
        hidden = ops.embedding(self.name("word_embeddings"), input_ids)
        return ops.dropout(ops.norm(hidden, self.name("embedding_norm"), self.epsilon))

    def layer(self, ops: Operations, number: int, hidden: Tensor) -> Tensor:
        """Norm, self-attention, norm, gated feed-forward; both outputs are added to the hidden states."""

        def at(part: str) -> str:
            return self.name(part, number)

        def normed(part: str) -> Tensor:
            return ops.norm(hidden, at(part), self.epsilon)

        seen = hidden if number == 1 else normed("attention_norm")  # embeddings are normed already
        query, key, value = ops.split(ops.linear(seen, at("qkv")), 3)
        attended = ops.attend(number, self._rotated(ops, number, query), self._rotated(ops, number, key), value)
        hidden = hidden + ops.dropout(ops.linear(attended, at("attention_output")))
        values, gate = ops.split(ops.linear(normed("intermediate_norm"), at("intermediate"), per_row=True), 2)
        inner = ops.activation(self.setting("hidden_activation"), values) * gate
        return hidden + ops.dropout(ops.linear(inner, at("output"), per_row=True))

    def _rotated(self, ops: Operations, number: int, values: Tensor) -> Tensor:
        """Queries or keys, rotated by the positions of their rows."""
        kind = self.kind(number)
        return ops.rotated(values, *ops.cached(("rotation", kind), lambda: self._rotation(ops, kind)))

    def _rotation(self, ops: Operations, kind: str) -> list[Tensor]:
        """Cosine and sine of each row's angles, ``(rows, head size ÷ 2)`` each."""
        frequencies = self.thetas[kind] ** -(np.arange(0, self.head_size, 2, dtype=np.float32) / self.head_size)
        angles = np.arange(self.max_rows, dtype=np.float32)[:, None] * frequencies.astype(np.float32)
        return [ops.take(ops.constant(of(angles)), ops.position, 0) for of in (np.cos, np.sin)]

    def relation(self, ops: Operations, number: int, position: Tensor) -> Tensor | None:
        """In local layers `MASKED_SCORE` where rows are too far apart, ``(1, rows, rows)``."""
        if self.kind(number) != LOCAL:
            return None
        distance = distances(ops, position)
        far = ops.number(distance * distance > self.reach**2)
        return ops.unsqueeze(far * MASKED_SCORE, 0)

    def bias(self, ops: Operations, number: int, query: Tensor, key: Tensor, relation: Tensor) -> Tensor:
        return relation

    def kind(self, number: int) -> str:
        return self.kinds[number - 1]

    def features(self, ops: Operations, number: int, hidden: Tensor) -> Tensor:
        """Applies the final norm and, before the classifier, the prediction head."""
        hidden = ops.norm(hidden, self.name("final_norm"), self.epsilon)
        if number < self.num_layers:
            return hidden
        hidden = ops.activation(self.setting("classifier_activation"), ops.linear(hidden, self.prediction, exact=True))
        return ops.norm(hidden, self.prediction_norm, self.epsilon)

    def row_macs(self, number: int) -> int:
        """Also the gated feed-forward's third matrix."""
        return super().row_macs(number) + self.hidden_size * self.intermediate_size

    def features_macs(self, number: int) -> int:
        """MACs of the prediction head, which runs only before the classifier."""
        return self.hidden_size**2 if number == self.num_layers else 0
