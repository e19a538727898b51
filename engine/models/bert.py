"""BERT (Devlin et al. 2019)."""

from typing import ClassVar

from engine.models.family import PostNormFamily

EMBEDDINGS = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


class Bert(PostNormFamily):
    """BERT and models with its layout: BioBERT, PubMedBERT, SciBERT, BioLinkBERT, MiniLM."""

    architecture = "BertForTokenClassification"
    prefix = "bert"
    names: ClassVar = EMBEDDINGS | LAYER | {"token_type_embeddings": "embeddings.token_type_embeddings"}
    defaults: ClassVar = {
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "type_vocab_size": 2,
        "max_position_embeddings": 512,
        "hidden_dropout_prob": 0.1,
    }
    requirements: ClassVar = {"position_embedding_type": ("absolute", None), "is_decoder": (False, None)}
