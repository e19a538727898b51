"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT with positions counted from after the padding token."""

from typing import ClassVar

from engine.models.bert import Bert


class Roberta(Bert):
    """RoBERTa."""

    architecture = "RobertaForTokenClassification"
    prefix = "roberta"
    defaults: ClassVar = Bert.defaults | {"pad_token_id": 1}

    @property
    def first_position(self) -> int:
        """The index after that of the padding token."""
        return self.whole("pad_token_id", 0) + 1


class XlmRoberta(Roberta):
    """XLM-RoBERTa."""

    architecture = "XLMRobertaForTokenClassification"


class Camembert(Roberta):
    """CamemBERT."""

    architecture = "CamembertForTokenClassification"
