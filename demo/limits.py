"""How much a visitor may ask for at once, and the one queue in which all work for the model waits."""

from __future__ import annotations

from typing import Any

from engine import InputError

MAX_CHARACTERS = 100_000  # of one text
MAX_STRATEGIES = 8  # of one request
MAX_FILE_BYTES = 2_000_000
MAX_DOCUMENTS = 500  # of one file
KEEP_FILES_S = 600

# `api_open=False`: there is no way round the queue.
QUEUE: dict[str, Any] = {"max_size": 32, "default_concurrency_limit": 1, "api_open": False}
# One job at a time; two would distort each other's times.
MODEL_WORK: dict[str, Any] = {"concurrency_id": "engine", "concurrency_limit": 1}
# How often Gradio looks for old uploads and downloads, and the age at which it deletes them.
DELETE_CACHE = (KEEP_FILES_S, KEEP_FILES_S)


def check_text(text: object) -> str:
    """The text, if it may be tagged.

    Raises:
        InputError: it is not a string, blank or too long.
    """
    if not isinstance(text, str):
        raise InputError(f"expected a text, got {type(text).__name__}; send a string")
    if not text.strip():
        raise InputError("There is no text yet: enter one, or choose an example.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The text has {len(text):,} characters, the limit is {MAX_CHARACTERS:,}: shorten it.")
    return text


def check_strategies(names: object) -> list[str]:
    """The names of strategies, each once: the one limit for the page, its downloads and the HTTP API.

    Raises:
        InputError: there are none or too many, or they are not strings.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("expected names of strategies, got something else; send strings")
    names = list(dict.fromkeys(names))
    if not names:
        raise InputError("No strategy is chosen: choose at least one.")
    if len(names) > MAX_STRATEGIES:
        raise InputError(f"expected at most {MAX_STRATEGIES} strategies, got {len(names)}; choose fewer")
    return names
