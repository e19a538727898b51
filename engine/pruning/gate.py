"""What a controller sees of a gate, with each signal computed once and on demand, and its decision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from engine.pruning import signals
from engine.pytorch.packing import Words
from engine.text.labels import LabelSet


class RowSignals(Protocol):
    """What follows from a layer's rows."""

    @property
    def change(self) -> Any:
        """Norm of the layer's change to each word's first word piece ÷ norm before it, float32 ``(words,)``."""


@dataclass(frozen=True, eq=False)
class Decision:
    """A controller's decision at a gate.

    ``exits``: bool ``(words,)``, the words that exit.
    ``importance``: float ``(words,)``, how much each word still needs computation; words of low importance exit.
    """

    exits: np.ndarray
    importance: np.ndarray


@dataclass(frozen=True, eq=False)
class GateView:
    """What a controller sees at the gate after a layer.

    Args:
        number: number of the layer.
        index: number of gates before this one.
        words: the words of the batch.
        alive: bool ``(words,)``, words that have not exited.
        probabilities: float32 ``(words, labels)`` of the latest label head that each word reached.
        label_set: the model's labels.
        rows: signals from the layer's rows.
    """

    number: int
    index: int
    words: Words
    alive: np.ndarray
    probabilities: np.ndarray
    label_set: LabelSet
    rows: RowSignals

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of each word, int64 ``(words,)``."""
        return self.probabilities.argmax(-1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of each word's label, ``(words,)``, 0–1."""
        return self.probabilities.max(-1)

    @cached_property
    def entropy(self) -> np.ndarray:
        """Normalised entropy of each word's label distribution, ``(words,)``, 0–1."""
        return signals.normalised_entropy(self.probabilities)

    @cached_property
    def margin(self) -> np.ndarray:
        """Log ratio of each word's two most probable labels, ``(words,)``, 0 or more."""
        return signals.margin(self.probabilities)

    def whole_entities(self, candidates: np.ndarray) -> np.ndarray:
        """Keeps the candidates, bool ``(words,)``, whose predicted entity consists of candidates only."""
        return signals.whole_spans(candidates, self.label_set.continues(self.labels), self.words.window)

    def near(self, values: np.ndarray, reach: int) -> np.ndarray:
        """Maximum of ``values`` ``(words,)`` over each word and its neighbours up to ``reach`` words away."""
        return signals.neighbour_max(values, self.words.window, reach)
