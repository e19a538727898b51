"""Calls of the engine, one at a time, so that visitors do not distort each other's times; a call can be cancelled."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from engine import Engine, Result, Strategy

OnWindow = Callable[[int, int], None]  # called with the number of windows done and of all
_LOCK = Lock()


class CallCancelledError(Exception):
    """The result of a call is no longer wanted."""


def tag_batch(
    engine: Engine, texts: Sequence[str], strategy: Strategy, on_window: OnWindow | None = None, **settings: Any
) -> list[Result]:
    """Tags texts as `Engine.tag_batch` does, after the calls that came before."""
    with _LOCK:
        return engine.tag_batch(texts, strategy, on_window=on_window, **settings)
