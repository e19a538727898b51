"""DistilBERT (Sanh et al. 2019): BERT without token types, whose weights have other names."""

from __future__ import annotations

from transformers import DistilBertConfig

from engine.pytorch.encoders.base import PostNormEncoder

NAMES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
LAYER_NAMES = {
    "qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "intermediate": "ffn.lin1",
    "output": "ffn.lin2",
    "output_norm": "output_layer_norm",
}


class DistilBertEncoder(PostNormEncoder):
    """DistilBERT."""

    architecture = "DistilBertForTokenClassification"
    prefix = "distilbert"
    names = NAMES
    layer_path = "transformer.layer"
    layer_names = LAYER_NAMES

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(
            config,
            dropout=config.dropout,
            norm_eps=1e-12,
            activation=config.activation,
            intermediate=config.hidden_dim,
        )
