"""DistilBERT (Sanh et al. 2019): BERT without token types, whose weights and settings have other names."""

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.models.bert import EMBEDDINGS
from engine.models.family import PostNormFamily


class DistilBert(PostNormFamily):
    """DistilBERT."""

    architecture = "DistilBertForTokenClassification"
    prefix = "distilbert"
    layer_path = "transformer.layer"
    names: ClassVar = EMBEDDINGS | {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "attention_output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "intermediate": "ffn.lin1",
        "output": "ffn.lin2",
        "output_norm": "output_layer_norm",
    }
    keys: ClassVar = {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
    }
    defaults: ClassVar = {"activation": "gelu", "max_position_embeddings": 512, "dropout": 0.1}

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__({**config, "layer_norm_eps": 1e-12})  # the library ignores the setting
