"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT with positions counted from after the padding token."""

from __future__ import annotations

from transformers import CamembertConfig, RobertaConfig, XLMRobertaConfig

from engine.model.encoders.base import PostNormEncoder, like_bert
from engine.model.encoders.bert import LAYER_NAMES, NAMES, SETTINGS
from engine.model.layers import Shape


class RobertaEncoder(PostNormEncoder):
    """RoBERTa."""

    architecture = "RobertaForTokenClassification"
    prefix = "roberta"
    names = NAMES
    layer_path = "encoder.layer"
    layer_names = LAYER_NAMES
    settings = SETTINGS

    def __init__(self, config: RobertaConfig | XLMRobertaConfig | CamembertConfig) -> None:
        first = (config.pad_token_id or 0) + 1
        super().__init__(
            config,
            Shape.of(config, config.max_position_embeddings - first),
            **like_bert(config),
            positions=config.max_position_embeddings,
            first_position=first,
            token_types=config.type_vocab_size,
        )


class XLMRobertaEncoder(RobertaEncoder):
    """XLM-RoBERTa."""

    architecture = "XLMRobertaForTokenClassification"


class CamembertEncoder(RobertaEncoder):
    """CamemBERT."""

    architecture = "CamembertForTokenClassification"
