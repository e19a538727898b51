"""ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings that may be narrower than hidden states."""

from __future__ import annotations

from transformers import ElectraConfig

from engine.model.encoders.base import PostNormEncoder, like_bert
from engine.model.encoders.bert import LAYER_NAMES, NAMES, SETTINGS
from engine.model.layers import Shape


class ElectraEncoder(PostNormEncoder):
    """ELECTRA and BioELECTRA."""

    architecture = "ElectraForTokenClassification"
    prefix = "electra"
    names = NAMES | {"projection": "embeddings_project"}
    layer_path = "encoder.layer"
    layer_names = LAYER_NAMES
    settings = SETTINGS

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__(
            config,
            Shape.of(config, config.max_position_embeddings),
            **like_bert(config),
            positions=config.max_position_embeddings,
            token_types=config.type_vocab_size,
            embedding_size=config.embedding_size,
        )
