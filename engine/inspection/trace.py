"""The trace of a text shows where each word exited and why. It is built on demand, outside timed calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from engine.cascade import JudgedWindow
from engine.inspection.cost import Cost
from engine.latency import Latency
from engine.model.chunks import Slot
from engine.pruning.record import GateRecord, Record
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet
from engine.text.words import Span

T = TypeVar("T")
State = Literal["kept", "exited", "recovered"]


@dataclass(frozen=True)
class GateScore:
    """One word at one gate: the predicted label and its probability, the word's importance, and whether it exited."""

    layer: int
    label: str
    probability: float
    importance: float
    exited: bool


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
    gates: tuple[GateScore, ...]


@dataclass(frozen=True)
class Trace:
    """The strategy, words, cost and latency of a text; in a cascade also the windows that the small model judged."""

    strategy: Strategy
    words: tuple[WordTrace, ...]
    cost: Cost
    latency: Latency
    windows: tuple[JudgedWindow, ...] = ()


def of_both(small: Sequence[T], large: Sequence[T], judged: Iterable[JudgedWindow]) -> tuple[T, ...]:
    """What is known of each word in the model that labelled it last; ``large`` has those in windows that it read."""
    rest = iter(large)
    return tuple(
        next(rest) if window.read else small[word] for window in judged for word in range(window.first, window.end)
    )


def word_traces(
    text: str,
    words: Sequence[Span],
    probabilities: np.ndarray,
    runs: Sequence[tuple[Slot, Record]],
) -> tuple[WordTrace, ...]:
    """Builds the trace of every word of a text.

    ``probabilities`` are the final label distributions ``(words, labels)``, and ``runs`` the text's windows in order,
    each with the record of the batch that it ran in.
    """
    traces: list[WordTrace] = []
    for slot, record in runs:
        window = slot.window
        pieces = np.bincount(window.word[1:-1], minlength=window.words)
        gates = [_scores_by_word(gate, record.labels) for gate in record.gates]
        for index in range(window.own, window.own_end):
            at = slot.in_batch(index)
            start, end = words[index]
            best = int(probabilities[index].argmax())
            traces.append(
                WordTrace(
                    start=start,
                    end=end,
                    text=text[start:end],
                    pieces=int(pieces[index - window.first]),
                    layer=int(record.exit_at[at]),
                    state="recovered" if record.recovered[at] else "kept" if record.alive[at] else "exited",
                    label=record.labels.names[best],
                    probability=float(probabilities[index, best]),
                    gates=tuple(scores[at] for scores in gates if at in scores),
                )
            )
    return tuple(traces)


def _scores_by_word(gate: GateRecord, labels: LabelSet) -> dict[int, GateScore]:
    """Maps the index in the batch of each word that reached a gate to its scores."""
    best = gate.probabilities.argmax(-1)
    importance, exits = gate.decision.importance.tolist(), gate.decision.exits.tolist()
    return {
        word: GateScore(gate.number, labels.names[index], float(of_labels[index]), importance[word], exits[word])
        for word, index, of_labels in zip(gate.words.tolist(), best.tolist(), gate.probabilities, strict=True)
    }
