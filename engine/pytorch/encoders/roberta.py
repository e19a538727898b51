"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT with positions counted from after the padding token."""

from __future__ import annotations

from transformers import CamembertConfig, RobertaConfig, XLMRobertaConfig

from engine.pytorch.encoders.bert import BertEncoder


class RobertaEncoder(BertEncoder):
    """RoBERTa."""

    architecture = "RobertaForTokenClassification"
    prefix = "roberta"

    def __init__(self, config: RobertaConfig | XLMRobertaConfig | CamembertConfig) -> None:
        super().__init__(config, first_position=(config.pad_token_id or 0) + 1)


class XLMRobertaEncoder(RobertaEncoder):
    """XLM-RoBERTa."""

    architecture = "XLMRobertaForTokenClassification"


class CamembertEncoder(RobertaEncoder):
    """CamemBERT."""

    architecture = "CamembertForTokenClassification"
