"""BERT (Devlin et al. 2019), equal to Hugging Face's ``BertModel`` without its pooler."""

from __future__ import annotations

from typing import Any

from engine.pytorch.encoders.base import PostNormEncoder, Settings, bert_settings

NAMES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "token_type_embeddings": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
LAYER_NAMES = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
SETTINGS: Settings = {
    "position_embedding_type": (("absolute", None), "other positions need terms in attention that are not built"),
    "is_decoder": ((False, None), "words to the right are hidden from a decoder"),
}


class BertEncoder(PostNormEncoder):
    """BERT and models with its layout: BioBERT, PubMedBERT, SciBERT, BioLinkBERT, MiniLM."""

    architecture = "BertForTokenClassification"
    prefix = "bert"
    names = NAMES
    layer_path = "encoder.layer"
    layer_names = LAYER_NAMES
    settings = SETTINGS

    def __init__(self, config: Any, **others: Any) -> None:
        super().__init__(config, **bert_settings(config), token_types=config.type_vocab_size, **others)
