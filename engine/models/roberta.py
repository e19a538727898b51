"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT with positions counted from after the padding token."""

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.models.bert import Bert


class Roberta(Bert):
    """RoBERTa."""

    architecture = "RobertaForTokenClassification"
    prefix = "roberta"
    defaults: ClassVar = Bert.defaults | {"pad_token_id": 1}

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.first_position = self.setting("pad_token_id") + 1
        self.max_rows -= self.first_position


class XlmRoberta(Roberta):
    """XLM-RoBERTa."""

    architecture = "XLMRobertaForTokenClassification"


class Camembert(Roberta):
    """CamemBERT."""

    architecture = "CamembertForTokenClassification"
