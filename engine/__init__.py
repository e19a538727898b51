"""Runtime adaptive token pruning for biomedical named entity recognition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity

if TYPE_CHECKING:
    from engine.pruning.strategy import Strategy
    from engine.tagger import Engine, Result, load_engine

__all__ = ["Document", "Engine", "Entity", "FormatError", "InputError", "Result", "Strategy", "load_engine"]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds to import; readers of documents do not need them.
    if name in ("Engine", "Result", "load_engine"):
        from engine import tagger

        return getattr(tagger, name)
    if name == "Strategy":
        from engine.pruning.strategy import Strategy

        return Strategy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
