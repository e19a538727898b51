"""The supported model families. A new one is a file here and a line below."""

from collections.abc import Mapping
from typing import Any

from engine.errors import InputError
from engine.models.bert import Bert
from engine.models.deberta_v2 import DebertaV2
from engine.models.distilbert import DistilBert
from engine.models.electra import Electra
from engine.models.family import Family
from engine.models.modernbert import ModernBert
from engine.models.mpnet import MPNet
from engine.models.roberta import Camembert, Roberta, XlmRoberta

FAMILIES: dict[str, type[Family]] = {
    "bert": Bert,
    "camembert": Camembert,
    "deberta-v2": DebertaV2,
    "distilbert": DistilBert,
    "electra": Electra,
    "modernbert": ModernBert,
    "mpnet": MPNet,
    "roberta": Roberta,
    "xlm-roberta": XlmRoberta,
}


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a configuration; raises an `InputError` unless it and its settings are supported."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        coder = "encoder–decoders" if config.get("is_encoder_decoder") else "models"
        raise InputError(f"{coder.capitalize()} of type {kind!r} are not supported, only {', '.join(FAMILIES)}.")
    return FAMILIES[kind](config)
