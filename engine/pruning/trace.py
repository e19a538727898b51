"""The trace of a text: where each word exited, and the scores behind each decision; built outside timed calls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.paths import Paths, State
from engine.pruning.controllers.base import Reason
from engine.pruning.controllers.mlp import NEIGHBOURS
from engine.pruning.gate import ArrayGate, Words
from engine.pruning.passes import Pass
from engine.pruning.record import WindowRecord
from engine.pruning.strategy import Strategy
from engine.text.decoding import Decoded
from engine.text.words import Span


@dataclass(frozen=True)
class WordScores:
    """One word at one gate that it reached."""

    layer: int  # after which the gate is
    label: str  # predicted by the gate's head
    confidence: float  # probability of this label, 0–1
    entropy: float  # normalised, of the head's label distribution, 0–1
    windowed_entropy: float  # the largest among the word and its neighbours, 0–1
    importance: float  # the score by which the strategy decides; infinite for words that may not exit
    threshold: float | None  # importance up to which a word may exit; None if no controller chooses words
    exited: bool
    reason: Reason | None  # see `Controller.explain`; None if no controller chooses words


@dataclass(frozen=True)
class WordTrace:
    """The trace of one word."""

    start: int  # in characters of the text, like the end
    end: int
    text: str
    pieces: int  # number of its word pieces
    layer: int  # after which it exited, or the last one
    state: str  # exited, kept, or recovered if it exited after this layer and then came back
    label: str  # the final one
    probability: float  # of this label, 0–1
    decoder: str  # why the label is not the likeliest: the decoder changed it; "" if it is
    gates: tuple[WordScores, ...]  # at each gate that it reached


@dataclass(frozen=True)
class JudgedWindow:
    """A window of the large model, as the small one judged it."""

    first: int  # it labels the words [first, end) of the text
    end: int
    doubt: float  # of these words together
    read: bool  # whether the large model read it


@dataclass(frozen=True)
class Trace:
    """The words of a text; in a cascade also the windows that the small model judged."""

    words: tuple[WordTrace, ...]
    windows: tuple[JudgedWindow, ...] = ()


def word_traces(
    text: str,
    words: Sequence[Span],
    probabilities: np.ndarray,
    decoded: Decoded,
    paths: Paths,
    passes: Iterable[Pass],
) -> tuple[WordTrace, ...]:
    """Builds the trace of every word of a text.

    ``probabilities`` are the final label distributions ``(words, labels)``; ``passes`` what each stage computed.
    """
    gates: list[list[WordScores]] = [[] for _ in words]
    pieces, before = [0] * len(words), 0
    for stage in passes:
        for record in stage.records:
            window, scores = record.window, _scores(record, stage.strategy, before)
            counts = np.bincount(window.word[1:-1], minlength=window.num_words)
            for index in range(window.label_start, window.label_end):
                pieces[index] = int(counts[index - window.first])
                gates[index] += scores[index - window.first]
        before += stage.sizes.layers
    return tuple(
        WordTrace(
            start=start,
            end=end,
            text=text[start:end],
            pieces=pieces[index],
            layer=int(paths.layer[index]),
            state=State(paths.state[index]).name.lower(),
            label=str(paths.label[index]),
            probability=float(probabilities[index, decoded.labels[index]]),
            decoder=decoded.changed.get(index, ""),
            gates=tuple(gates[index]),
        )
        for index, (start, end) in enumerate(words)
    )


def neighbours_of(strategy: Strategy) -> int:
    """The words on each side that ``windowed_entropy`` considers: as many as the controller, or else `NEIGHBOURS`."""
    return getattr(strategy.controller, "neighbours", NEIGHBOURS) or NEIGHBOURS


def _scores(record: WindowRecord, strategy: Strategy, before: int) -> list[list[WordScores]]:
    """The scores of each word of a window at the gates that it reached; ``before``: layers of the earlier stages."""
    scores: list[list[WordScores]] = [[] for _ in record.exit_at]
    words, labels, controller = Words.of([len(scores)]), record.labels, strategy.controller
    for index, at in enumerate(record.gates):
        assert controller is not None, "a strategy with gates has a controller"
        numbers = controller.numbers(index)
        gate = ArrayGate(at.number, index, words, at.is_alive, at.probabilities, labels, numbers, at.signals)
        windowed = gate.near(gate.entropy, neighbours_of(strategy))
        thresholds, reasons = controller.explain(gate, at.decision)
        for word in np.flatnonzero(at.is_alive).tolist():
            scores[word].append(
                WordScores(
                    layer=before + at.number,
                    label=labels.names[gate.labels[word]],
                    confidence=float(gate.confidence[word]),
                    entropy=float(gate.entropy[word]),
                    windowed_entropy=float(windowed[word]),
                    importance=float(at.decision.importance[word]),
                    threshold=thresholds[word],
                    exited=bool(at.decision.exits[word]),
                    reason=reasons[word],
                )
            )
    return scores
