"""Tags one text under several strategies, and times them in turns, so that noise affects all equally."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from threading import Lock
from typing import Any

from demo.settings import MAX_COLUMNS, Selection
from engine import Engine, InputError, Result, Strategy

MAX_CHARACTERS = 100_000  # in one text
MAX_TRACED = 50_000  # of a text whose every word the HTTP API describes; the answer is a hundred times larger
ROUNDS, SECONDS = 5, 0.5  # of timing after an answer
REPLAYS, REPLAY_SECONDS = 21, 1.5  # of timing before a race
_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class Column:
    """What a strategy found in a text, and its end-to-end milliseconds here: the median of its rounds."""

    selection: Selection
    result: Result
    milliseconds: float


def check_text(text: object) -> str:
    """Returns the text if it may be tagged."""
    if not isinstance(text, str):
        raise InputError(f"The text must be a string, not {type(text).__name__}.")
    if not text.strip():
        raise InputError("There is no text yet: enter one, or choose an example.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it.")
    return text


def tag_batch(engine: Engine, texts: Sequence[str], strategy: Strategy, **settings: Any) -> list[Result]:
    """Tags texts as `Engine.tag_batch` does, one call at a time, so that visitors do not distort each other's times."""
    with _LOCK:
        return engine.tag_batch(texts, strategy, **settings)


def run(
    engine: Engine, text: str, strategies: Sequence[Selection], rounds: int = ROUNDS, seconds: float = SECONDS
) -> tuple[list[Column], Result]:
    """The columns of a text, and what all layers find in it.

    The first round prepares what later ones use, and is not timed; no round begins after ``seconds``.

    Raises:
        InputError: the text is empty or too long, or there are no strategies or too many.
    """
    check_text(text)
    if not 0 < len(strategies) <= MAX_COLUMNS:
        raise InputError(f"Choose 1 to {MAX_COLUMNS} columns, not {len(strategies)}.")
    results = [tag_batch(engine, [text], selection.strategy)[0] for selection in strategies]
    full = next((result for result in results if result.strategy == Strategy()), None)
    full = full or tag_batch(engine, [text], engine.strategy("dense"))[0]
    times: list[list[float]] = [[] for _ in strategies]
    end = time.monotonic() + seconds
    for turn in range(rounds):
        for place in range(len(strategies)):
            index = (turn + place) % len(strategies)
            (again,) = tag_batch(engine, [text], strategies[index].strategy)
            times[index].append(again.latency.total_ms)
        if time.monotonic() >= end:
            break
    pairs = zip(strategies, results, times, strict=True)
    return [Column(selection, result, median(taken)) for selection, result, taken in pairs], full


def first_pass(engine: Engine, result: Result) -> Result:
    """The result before words came back, which their trigger saw."""
    return tag_batch(engine, [result.text], replace(result.strategy, recovery=None))[0]
