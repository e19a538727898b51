"""What a visitor may ask for at once, and the one queue in which all work of the model waits."""

from __future__ import annotations

from typing import Any

from demo.settings import text_problem
from engine import InputError

MAX_FILE_BYTES = 2_000_000
MAX_DOCUMENTS = 500  # of one file
MAX_STRATEGIES = 8  # of one request
KEEP_FILES_S = 600

# `api_open=False`: there is no way past the queue.
QUEUE: dict[str, Any] = {"max_size": 32, "default_concurrency_limit": 1, "api_open": False}
# One job at a time, or they would disturb each other's times.
MODEL_WORK: dict[str, Any] = {"concurrency_id": "engine", "concurrency_limit": 1}
# How often Gradio looks for old uploads and downloads, and how old they get.
DELETE_CACHE = (KEEP_FILES_S, KEEP_FILES_S)


def check_text(text: object) -> str:
    """The text, if it is one that may be tagged.

    Raises:
        InputError: it is none, blank or too long.
    """
    if not isinstance(text, str):
        raise InputError(f"expected a text, got {type(text).__name__}; send a string")
    if problem := text_problem(text):
        raise InputError(problem)
    return text


def check_strategies(names: object) -> list[str]:
    """The names of strategies, each once.

    Raises:
        InputError: there are none, too many, or no strings.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("expected names of strategies, got something else; send strings")
    names = list(dict.fromkeys(names))
    if not names:
        raise InputError("No strategy is chosen: choose at least one.")
    if len(names) > MAX_STRATEGIES:
        raise InputError(f"expected at most {MAX_STRATEGIES} strategies, got {len(names)}; choose fewer")
    return names
