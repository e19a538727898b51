"""Encoders on packed rows, one module per family. Only these modules know the host model's layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from transformers import PreTrainedModel

from engine.errors import InputError
from engine.pytorch.encoders.base import Encoder
from engine.pytorch.encoders.bert import BertEncoder
from engine.pytorch.encoders.deberta_v2 import DebertaV2Encoder
from engine.pytorch.encoders.distilbert import DistilBertEncoder
from engine.pytorch.encoders.electra import ElectraEncoder
from engine.pytorch.encoders.modernbert import ModernBertEncoder
from engine.pytorch.encoders.mpnet import MPNetEncoder
from engine.pytorch.encoders.roberta import CamembertEncoder, RobertaEncoder, XLMRobertaEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "bert": BertEncoder,
    "camembert": CamembertEncoder,
    "deberta-v2": DebertaV2Encoder,
    "distilbert": DistilBertEncoder,
    "electra": ElectraEncoder,
    "modernbert": ModernBertEncoder,
    "mpnet": MPNetEncoder,
    "roberta": RobertaEncoder,
    "xlm-roberta": XLMRobertaEncoder,
}


def encoder_class(config: Any) -> Callable[[Any], Encoder]:
    """The class that builds an encoder from a configuration; raises an `InputError` unless that is supported."""
    if config.model_type not in ENCODERS:
        kind = "an encoder–decoder" if config.is_encoder_decoder else "a model"
        raise InputError(
            f"expected an encoder of type {', '.join(ENCODERS)}, got {kind} of type {config.model_type!r}; "
            "choose a checkpoint of one of these types"
        )
    family = ENCODERS[config.model_type]
    family.check(config)
    return cast(Callable[[Any], Encoder], family)


def shorten(config: Any, layers: int) -> None:
    """Cuts a configuration of a supported family to its first ``layers``."""
    ENCODERS[config.model_type].shorten(config, layers)


def encoder_from_huggingface(model: PreTrainedModel) -> Encoder:
    """Builds the packed-row encoder from a Hugging Face model, with or without a token-classification head."""
    config: Any = model.config
    encoder = encoder_class(config)(config)
    encoder.load_huggingface(model.state_dict())
    return encoder


__all__ = ["ENCODERS", "Encoder", "encoder_class", "encoder_from_huggingface", "shorten"]
