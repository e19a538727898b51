"""Encoders on packed rows, one module per architecture. Only these modules know the host model's layout."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from engine.errors import InputError
from engine.model.encoders.bert import BertEncoder

Encoder = BertEncoder
ENCODERS: dict[str, type[Encoder]] = {"bert": BertEncoder}


def encoder_class(config: Any) -> type[Encoder]:
    """The encoder for a Hugging Face configuration.

    Raises:
        InputError: if the architecture, or a setting of it, is not supported.
    """
    if config.model_type not in ENCODERS:
        raise InputError(
            f"expected a model of type {sorted(ENCODERS)}, got {config.model_type!r}; "
            "choose a checkpoint of that architecture"
        )
    return ENCODERS[config.model_type]


def encoder_from_huggingface(model: PreTrainedModel) -> Encoder:
    """The packed-row encoder with the weights of a Hugging Face token-classification model."""
    config: Any = model.config
    encoder = encoder_class(config)(config)
    encoder.load_huggingface(model.base_model.state_dict())
    return encoder


__all__ = ["ENCODERS", "Encoder", "encoder_class", "encoder_from_huggingface"]
