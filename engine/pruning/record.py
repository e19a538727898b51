"""The record of one window after a pass, whichever backend ran it: labels, exits, and signals at each gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.pruning.gate import Decision
from engine.text.labels import LabelSet
from engine.text.windows import Window


@dataclass(frozen=True, eq=False)
class GateRecord:
    """One gate of a finished pass."""

    number: int  # of its layer
    is_alive: np.ndarray  # bool (words,), the words that reached it
    probabilities: np.ndarray  # float32 (words, labels), each word's latest label distribution there
    decision: Decision  # in effect
    signals: Mapping[str, np.ndarray] = field(default_factory=dict)  # of `Gate.of_layer` that were read, (words,) each

    def part(self, words: slice) -> "GateRecord":
        """The gate as these words passed it."""
        decision = Decision(self.decision.exits[words], self.decision.importance[words])
        signals = {name: values[words] for name, values in self.signals.items()}
        return GateRecord(self.number, self.is_alive[words], self.probabilities[words], decision, signals)


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowRecord:
    """A finished pass over one window."""

    window: Window
    labels: LabelSet  # the model's
    layers: int  # number of the model's layers
    probabilities: np.ndarray  # float32 (words, labels), each word's latest label distribution
    exit_at: np.ndarray  # int64 (words,), the layer after which each word exited, or the last one
    recovered: np.ndarray  # bool (words,), words that exited and came back
    heads: Sequence[int]  # layers whose label heads ran, ascending; the last one ended the pass, before words came back
    gates: Sequence[GateRecord]  # records of the gates, in order; empty if the caller said which words exit

    @property
    def exited(self) -> np.ndarray:
        """Bool ``(words,)``, words that exited and did not come back."""
        return (self.exit_at < self.layers) & ~self.recovered

    @property
    def rows(self) -> list[tuple[int, int]]:
        """Each layer that ran and the number of rows that it computed, in order; CLS and SEP always stay."""
        pieces = np.bincount(self.window.word[1:-1], minlength=self.window.num_words)
        return [
            (number, 2 + int(pieces[exit_at >= number].sum()))
            for exit_at, start, end in self._runs
            for number in range(start + 1, end + 1)
        ]

    @property
    def labelled(self) -> list[tuple[int, int]]:
        """Each label head that ran and the number of words that it labelled, in order."""
        first, *again = self._runs
        heads = [(number, first[0]) for number in self.heads] + [(end, exit_at) for exit_at, _, end in again]
        return [(number, int((exit_at >= number).sum())) for number, exit_at in heads]

    @property
    def _runs(self) -> list[tuple[np.ndarray, int, int]]:
        """Where words exit in the pass, and in the one that recovers words: layers after ``start`` up to ``end``."""
        runs = [(self.exit_at, 0, self.heads[-1])]
        if self.recovered.any():
            runs.append((np.where(self.recovered, self.layers, self.exit_at), self.heads[0], self.layers))
        return runs


def distributions(records: Sequence[WindowRecord], labels: int) -> np.ndarray:
    """Label distributions of a text's words, float32 ``(words, labels)``, from its windows in order."""
    empty = np.zeros((0, labels), dtype=np.float32)
    return np.concatenate([empty, *(record.probabilities[record.window.labelled] for record in records)])
