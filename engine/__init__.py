"""Runtime adaptive token pruning for biomedical named entity recognition."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity

if TYPE_CHECKING:
    from engine.base import Engine
    from engine.corpora import Corpus, load_corpus
    from engine.integrations.pipeline import pipeline
    from engine.loading import load_engine
    from engine.pruning.strategy import Strategy
    from engine.pytorch.checkpoint import Weights, load_weights
    from engine.result import Result

__all__ = ["Document", "Entity", "FormatError", "InputError"]
__all__ += ["Corpus", "Engine", "Result", "Strategy", "Weights"]
__all__ += ["accelerate", "load_corpus", "load_engine", "load_weights", "pipeline"]

# torch and transformers take seconds to import; reading documents does not need them.
_LAZY = {
    "engine.corpora": ("Corpus", "load_corpus"),
    "engine.integrations.pipeline": ("pipeline",),
    "engine.pruning.strategy": ("Strategy",),
    "engine.pytorch.checkpoint": ("Weights", "load_weights"),
    "engine.result": ("Result",),
    "engine.base": ("Engine",),
    "engine.loading": ("load_engine",),
    "engine.training.accelerate": ("accelerate",),
}


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
