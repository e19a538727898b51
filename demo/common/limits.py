"""Limits on what a visitor may ask for at once, the queues in which work waits for the model, and other handlers."""

from typing import Any

from engine import InputError

MAX_CHARACTERS = 100_000  # in one text
MAX_STRATEGIES = 8  # in one request
MAX_TRACED = 50_000  # characters times strategies, where every word is described; the answer is a hundred times larger
MAX_FILE_BYTES = 2 * 2**20
MAX_UPLOAD_BYTES = 2**26  # Gradio refuses more, without the page's advice
MAX_BODY_BYTES = 2**20  # of a call, uploads apart
MAX_DOCUMENTS = 500  # in one file
KEEP_FILES_S = 600
KEEP_RUN_S = 1800  # since a visitor's last run

# `api_open=False`: nothing bypasses the queue.
QUEUE: dict[str, Any] = {"max_size": 32, "default_concurrency_limit": 1, "api_open": False}
# Each kind of work has its own queue; calls of the engine run one at a time, see `demo.common.runs.tag_batch`.
MODEL_WORK: dict[str, Any] = {"concurrency_id": "engine", "concurrency_limit": 4}
API_WORK: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": 4}
BATCH_WORK: dict[str, Any] = {"concurrency_id": "batch", "concurrency_limit": 1}
# Each call holds a thread while it waits for the engine; as many again handle clicks meanwhile, including Cancel.
MAX_THREADS = 2 * sum(work["concurrency_limit"] for work in (MODEL_WORK, API_WORK, BATCH_WORK))
# For handlers that are not part of the HTTP API; QUIET ones answer at once.
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
QUIET: dict[str, Any] = {"queue": False, **HIDDEN}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
# How often Gradio looks for old uploads and downloads, and how old they must be before it deletes them.
DELETE_CACHE = (KEEP_FILES_S, KEEP_FILES_S)


def check_text(text: object) -> str:
    """Returns the text if it may be tagged."""
    if not isinstance(text, str):
        raise InputError(f"expected a text, got {type(text).__name__}; send a string")
    if not text.strip():
        raise InputError("There is no text yet: enter one, or choose an example.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it.")
    return text


def check_strategies(names: list[str]) -> list[str]:
    """Returns the names of strategies if so many may run at once."""
    if not names:
        raise InputError("No strategy is chosen: choose at least one.")
    if len(names) > MAX_STRATEGIES:
        raise InputError(f"expected at most {MAX_STRATEGIES} strategies, got {len(names)}; choose fewer")
    return names


def check_trace(characters: int) -> None:
    """Limits the size of an answer that describes every word of so many characters."""
    if characters > MAX_TRACED:
        raise InputError(
            f"expected at most {MAX_TRACED:,} characters times strategies for a trace, got {characters:,}; "
            "shorten the text or choose fewer strategies"
        )
