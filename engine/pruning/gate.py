"""What a controller sees of a gate, and the operations that its formula consists of.

A formula is written once and computed twice: `ArrayGate` evaluates it on NumPy arrays, for many windows at once, and
`engine.graph.gate.GraphGate` records it as ONNX, for one window. Values support arithmetic, comparisons and ``& | ~``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.pruning import signals
from engine.text.labels import LabelSet

Values = Any  # one number or truth value a word, ``(words,)``: an array, or a node of a graph
MIN_EXIT_RATIO = 0.1  # share of a window's words that must want to exit, or else none does: removing rows costs time
SMALLEST = 1e-6  # what `Gate.log` raises its argument to
OF_ATTENTION = frozenset({"attention_entropy", "received"})  # signals of a layer's attention
OF_LAYER = OF_ATTENTION | {"change"}  # signals that the gate's layer gives, not its label head


@dataclass(frozen=True, eq=False)
class Decision:
    """A controller's decision at a gate.

    ``exits``: bool ``(words,)``, the words that exit.
    ``importance``: float ``(words,)``, how much each word still needs computation; words of low importance exit.
    """

    exits: Values
    importance: Values


class Gate(ABC):
    """The gate after layer ``number``, with ``index`` gates before it."""

    number: int
    index: int
    alive: Values  # bool: words that have not exited

    # Signals, of the latest label head that each word reached and of the gate's layer.
    @property
    @abstractmethod
    def confidence(self) -> Values:
        """The probability of each word's label, 0–1."""

    @property
    @abstractmethod
    def entropy(self) -> Values:
        """Normalised entropy of each word's label distribution, 0–1."""

    @property
    @abstractmethod
    def margin(self) -> Values:
        """Log ratio of each word's two most probable labels, 0 or more."""

    @property
    @abstractmethod
    def outside(self) -> Values:
        """The probability of the label ``O``."""

    @property
    @abstractmethod
    def entity(self) -> Values:
        """Bool: words with another label than ``O``."""

    @property
    @abstractmethod
    def change(self) -> Values:
        """Norm of the layer's change to each word's first word piece ÷ norm before it."""

    @property
    @abstractmethod
    def attention_entropy(self) -> Values:
        """Entropy of what each word's first piece attends to, ÷ log(word pieces), 0–1; see `signals.attention_of`."""

    @property
    @abstractmethod
    def received(self) -> Values:
        """Attention that each word's pieces receive, 1 for each piece on average; see `signals.attention_of`."""

    # Operations.
    @abstractmethod
    def number_of(self, name: str) -> Values:
        """The value of a numeric setting at this gate, by its field's name."""

    @abstractmethod
    def log(self, values: Values) -> Values:
        """Natural logarithm of values raised to at least `SMALLEST`."""

    @abstractmethod
    def where(self, mask: Values, values: Values | float, others: Values | float) -> Values:
        """``values`` where the mask holds, ``others`` elsewhere."""

    @abstractmethod
    def near(self, values: Values, reach: int) -> Values:
        """Maximum over each word and its neighbours up to ``reach`` words away, of numbers or truth values."""

    @abstractmethod
    def mean(self, values: Values) -> Values:
        """Mean over the alive words of the window."""

    @abstractmethod
    def deviation(self, values: Values) -> Values:
        """Standard deviation over the alive words of the window."""

    @abstractmethod
    def whole_entities(self, exits: Values) -> Values:
        """Of the words that would exit, those whose predicted entity would exit, or has exited, as a whole."""

    @abstractmethod
    def keep_minimum(self, exits: Values, importance: Values, share: Values) -> Values:
        """Reduces exits to the words of least importance, so that a share of the window's words stays."""

    @abstractmethod
    def perceptron(self, features: Sequence[Values], weights: Sequence[np.ndarray]) -> Values:
        """Output, 0–1, of a perceptron with a hidden layer (ReLU); see `engine.pruning.controllers.mlp.Network`."""

    @abstractmethod
    def enough(self, exits: Values) -> Values:
        """Lets no word exit in a window where fewer than `MIN_EXIT_RATIO` of its words would, but some would stay."""

    def standardised(self, values: Values) -> Values:
        """Values minus their mean, divided by their deviation, over the alive words of the window."""
        return (values - self.mean(values)) / (self.deviation(values) + SMALLEST)


@dataclass(frozen=True)
class Words:
    """The words of one or several windows, in the order of windows, which stay the same while rows exit.

    ``window``: int64 ``(words,)``, the window of each word.
    ``counts``: int64 ``(windows,)``, the number of words in each window.
    """

    window: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: Sequence[int]) -> Words:
        """The words of windows with these numbers of words."""
        return cls(np.repeat(np.arange(len(counts)), counts), np.asarray(counts, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True, eq=False)
class ArrayGate(Gate):
    """A gate as NumPy arrays, for the words of several windows.

    Args:
        number: number of the layer.
        index: number of gates before this one.
        words: the words.
        alive: bool ``(words,)``, words that have not exited.
        probabilities: float32 ``(words, labels)`` of the latest label head that each word reached.
        label_set: the model's labels.
        numbers: values of numeric settings at this gate.
        layer_signals: what `change`, `attention_entropy` and `received` are, by name, or functions that compute them.
    """

    number: int
    index: int
    words: Words
    alive: np.ndarray
    probabilities: np.ndarray
    label_set: LabelSet
    numbers: Mapping[str, float] = field(default_factory=dict)
    layer_signals: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of each word, int64 ``(words,)``."""
        return self.probabilities.argmax(-1)

    @cached_property
    def confidence(self) -> np.ndarray:
        return self.probabilities.max(-1)

    @cached_property
    def entropy(self) -> np.ndarray:
        return signals.normalised_entropy(self.probabilities)

    @cached_property
    def margin(self) -> np.ndarray:
        return signals.margin(self.probabilities)

    @property
    def outside(self) -> np.ndarray:
        return self.probabilities[:, 0]

    @cached_property
    def entity(self) -> np.ndarray:
        return self.labels > 0

    @property
    def change(self) -> np.ndarray:
        return self._of_layer("change")

    @property
    def attention_entropy(self) -> np.ndarray:
        return self._of_layer("attention_entropy")

    @property
    def received(self) -> np.ndarray:
        return self._of_layer("received")

    def _of_layer(self, name: str) -> np.ndarray:
        value = self.layer_signals[name]
        return value() if callable(value) else value

    def number_of(self, name: str) -> float:
        return self.numbers[name]

    def log(self, values: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(values, SMALLEST))

    def where(self, mask: np.ndarray, values: Any, others: Any) -> np.ndarray:
        return np.where(mask, values, others)

    def near(self, values: np.ndarray, reach: int) -> np.ndarray:
        return signals.neighbour_max(values, self.words.window, reach)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return self._moments(values)[0]

    def deviation(self, values: np.ndarray) -> np.ndarray:
        return self._moments(values)[1]

    def _moments(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        window = self.words.window
        mean, deviation = signals.window_mean_std(values, self.alive, window, len(self.words.counts))
        return mean[window], deviation[window]

    def whole_entities(self, exits: np.ndarray) -> np.ndarray:
        continues = self.label_set.continues(self.labels)
        return signals.whole_spans(exits | ~self.alive, continues, self.words.window) & self.alive

    def keep_minimum(self, exits: np.ndarray, importance: np.ndarray, share: float) -> np.ndarray:
        floor = np.ceil(self.words.counts.astype(np.float32) * np.float32(share)).astype(np.int64)
        return signals.lowest_per_window(importance, exits, self.words.window, self._alive_counts - floor)

    @cached_property
    def _alive_counts(self) -> np.ndarray:
        return np.bincount(self.words.window[self.alive], minlength=len(self.words.counts))

    def perceptron(self, features: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        inner, inner_bias, outer, outer_bias = weights
        hidden = np.maximum(np.stack(features, axis=1).astype(np.float32) @ inner + inner_bias, 0)
        return 1 / (1 + np.exp(-(hidden @ outer + outer_bias)))

    def enough(self, exits: np.ndarray) -> np.ndarray:
        exiting = np.bincount(self.words.window[exits], minlength=len(self.words.counts))
        few = (exiting < MIN_EXIT_RATIO * self.words.counts) & (exiting < self._alive_counts)
        return exits & ~few[self.words.window]
