"""What is known of one window after a pass, whichever backend ran it: labels, exits, and what each gate saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.pruning.gate import ArrayGate, Decision, Words
from engine.text.labels import LabelSet
from engine.text.windows import Window


@dataclass(frozen=True, eq=False)
class GateRecord:
    """One gate of a finished pass.

    ``number``: number of its layer. ``alive``: bool ``(words,)``, the words that reached it.
    ``probabilities``: float32 ``(words, labels)``, each word's latest label distribution there.
    ``decision``: the decision that took effect.
    ``signals``: what the controller read of the layer, by the names in `engine.pruning.gate.Gate`, ``(words,)`` each.
    """

    number: int
    alive: np.ndarray
    probabilities: np.ndarray
    decision: Decision
    signals: Mapping[str, np.ndarray] = field(default_factory=dict)

    def view(self, index: int, labels: LabelSet, numbers: Mapping[str, float]) -> ArrayGate:
        """The gate as its controller saw it."""
        words = Words.of([len(self.alive)])
        return ArrayGate(
            self.number,
            index,
            words,
            self.alive,
            self.probabilities,
            labels,
            numbers=numbers,
            layer_signals=self.signals,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """A finished pass over one window.

    ``probabilities``: float32 ``(words, labels)``, each word's latest label distribution.
    ``exit_at``: int64 ``(words,)``, the layer after which each word exited; the last layer for words that did not.
    ``exited``: bool ``(words,)``, words that exited and did not come back.
    ``recovered``: bool ``(words,)``, words that exited and came back.
    ``rows``: each layer that ran and the number of rows that it computed, in order.
    ``labelled``: each label head that ran and the number of words that it labelled, in order.
    ``gates``: every gate, in order.
    """

    window: Window
    labels: LabelSet
    probabilities: np.ndarray
    exit_at: np.ndarray
    exited: np.ndarray
    recovered: np.ndarray
    rows: Sequence[tuple[int, int]]
    labelled: Sequence[tuple[int, int]]
    gates: Sequence[GateRecord]

    @property
    def own(self) -> slice:
        """The words that the window labels, as indices in the window."""
        return slice(self.window.own - self.window.first, self.window.own_end - self.window.first)

    def recalled(self, words: np.ndarray, probabilities: np.ndarray, start: int, last: int) -> Record:
        """The record after a second run from the gate of layer ``start``, in which words, bool ``(words,)``, came back.

        The second run computed the words that had not exited once more, up to ``last``.
        """
        ends = np.where(words, last, self.exit_at)
        return replace(
            self,
            probabilities=probabilities,
            exited=self.exited & ~words,
            recovered=words,
            rows=[*self.rows, *rows_by_layer(self.window, ends, start, last)],
            labelled=[*self.labelled, (last, int((ends == last).sum()))],
        )


def rows_by_layer(window: Window, exit_at: np.ndarray, start: int, last: int) -> list[tuple[int, int]]:
    """Rows that the layers from ``start`` + 1 to ``last`` compute, given the layer after which each word exits.

    CLS and SEP always stay.
    """
    pieces = np.bincount(window.word[1:-1], minlength=window.words)
    return [(number, 2 + int(pieces[exit_at >= number].sum())) for number in range(start + 1, last + 1)]


def distributions(records: Sequence[Record], labels: int) -> np.ndarray:
    """Label distributions of a text's words, float32 ``(words, labels)``, from its windows in order."""
    empty = np.zeros((0, labels), dtype=np.float32)
    return np.concatenate([empty, *(record.probabilities[record.own] for record in records)])
