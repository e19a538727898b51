"""The trace of a text shows where each word exited and why. It is built on demand, outside timed calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from engine.latency import Latency
from engine.pruning.cost import Cost
from engine.pruning.explain import WordScores, explain
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.text.words import Span

T = TypeVar("T")
State = Literal["kept", "exited", "recovered"]


@dataclass(frozen=True)
class WordTrace:
    """The trace of one word.

    ``start``, ``end``: character offsets in the text.
    ``pieces``: number of its word pieces.
    ``layer``: the layer after which it exited, or the last one.
    ``state``: ``kept``, ``exited``, or ``recovered`` (exited after ``layer``, then came back).
    ``label``, ``probability``: the final label.
    ``gates``: scores at each gate that it reached.
    """

    start: int
    end: int
    text: str
    pieces: int
    layer: int
    state: State
    label: str
    probability: float
    gates: tuple[WordScores, ...]


@dataclass(frozen=True)
class JudgedWindow:
    """A window of the large model, as the small one judged it.

    ``first``, ``end``: it labels the words ``[first, end)`` of the text.
    ``doubt``: the doubt of these words together.
    ``read``: whether the large model read it.
    """

    first: int
    end: int
    doubt: float
    read: bool


@dataclass(frozen=True)
class Trace:
    """The strategy, words, cost and latency of a text; in a cascade also the windows that the small model judged."""

    strategy: Strategy
    words: tuple[WordTrace, ...]
    cost: Cost
    latency: Latency
    windows: tuple[JudgedWindow, ...] = ()


def of_both(small: Sequence[T], large: Sequence[T], judged: Iterable[JudgedWindow]) -> tuple[T, ...]:
    """Takes each word's entry from the model that labelled it last; ``large`` has those of the windows that it read."""
    rest = iter(large)
    return tuple(
        next(rest) if window.read else small[word] for window in judged for word in range(window.first, window.end)
    )


def word_traces(
    text: str,
    words: Sequence[Span],
    probabilities: np.ndarray,
    records: Sequence[Record],
    strategy: Strategy,
) -> tuple[WordTrace, ...]:
    """Builds the trace of every word of a text.

    ``probabilities`` are the final label distributions ``(words, labels)``; ``records`` those of its windows, in order.
    """
    traces: list[WordTrace] = []
    for record in records:
        window = record.window
        pieces = np.bincount(window.word[1:-1], minlength=window.words)
        for index, gates in zip(range(window.own, window.own_end), explain(record, strategy), strict=True):
            at = index - window.first
            start, end = words[index]
            best = int(probabilities[index].argmax())
            traces.append(
                WordTrace(
                    start=start,
                    end=end,
                    text=text[start:end],
                    pieces=int(pieces[at]),
                    layer=int(record.exit_at[at]),
                    state="recovered" if record.recovered[at] else "exited" if record.exited[at] else "kept",
                    label=record.labels.names[best],
                    probability=float(probabilities[index, best]),
                    gates=gates,
                )
            )
    return tuple(traces)
