"""Runtime adaptive token pruning for biomedical named entity recognition."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity

if TYPE_CHECKING:
    from engine.formats.corpora import Corpus, load_corpus
    from engine.integrations.pipeline import pipeline
    from engine.pruning.strategy import Strategy
    from engine.pytorch.checkpoint import Weights, load_weights
    from engine.result import Result
    from engine.tagger import Engine, load_engine

# torch and transformers take seconds to import; reading documents does not need them.
_LAZY = {
    "Corpus": "engine.formats.corpora",
    "Engine": "engine.tagger",
    "Result": "engine.result",
    "Strategy": "engine.pruning.strategy",
    "Weights": "engine.pytorch.checkpoint",
    "accelerate": "engine.training.accelerate",
    "load_corpus": "engine.formats.corpora",
    "load_engine": "engine.tagger",
    "load_weights": "engine.pytorch.checkpoint",
    "pipeline": "engine.integrations.pipeline",
}

__all__ = [
    "Corpus",
    "Document",
    "Engine",
    "Entity",
    "FormatError",
    "InputError",
    "Result",
    "Strategy",
    "Weights",
    "accelerate",
    "load_corpus",
    "load_engine",
    "load_weights",
    "pipeline",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
