"""A gate as controllers see it: signals of words, and the operations of formulas.

A formula is written once and computed twice: `ArrayGate` evaluates it on NumPy arrays, for many windows at once, and
`engine.graph.gate.GraphGate` records it as ONNX, for one window. Values support arithmetic, comparisons and ``& | ~``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from engine.pruning import signals
from engine.text.labels import LabelSet

Values = Any  # one number or truth value a word, ``(words,)``: an array, or a node of a graph
MIN_EXIT_RATIO = 0.1  # share of a window's words that must want to exit, or else none does: removing rows costs time
SMALLEST = 1e-6  # lower bound of the argument of `Gate.log`
LEAST_DEVIATION = 1e-4  # below it, rounding is what tells the values of a window apart
OF_ATTENTION = frozenset({"attention_entropy", "received"})
OF_LAYER = OF_ATTENTION | {"change"}  # the signals of `Gate.of_layer`


@dataclass(frozen=True, eq=False)
class Decision:
    """A controller's decision at a gate."""

    exits: Values  # bool (words,), the words that exit
    importance: Values  # float (words,), how much each word still needs computation; words of low importance exit


class Gate(ABC):
    """A gate, with the signals of the latest label head that each word reached, and operations on them."""

    number: int  # of the layer
    index: int  # number of gates before this one
    is_alive: Values  # bool, words that have not exited
    size: Values  # number of words in the window
    confidence: Values  # probability of a word's label, 0–1
    entropy: Values  # normalised, of its label distribution, 0–1
    margin: Values  # log ratio of its two most probable labels, 0 or more
    outside: Values  # probability of the label O
    labels: Values  # int64, index of its label

    @abstractmethod
    def of_layer(self, name: str) -> Values:
        """A signal of the gate's layer.

        ``change``: norm of the layer's change to each word's first piece ÷ norm before it.
        ``attention_entropy``: entropy of what this piece attends to ÷ log(word pieces), 0–1.
        ``received``: attention that each word's pieces receive, 1 for each piece on average.

        `signals.attention_of` defines the last two.
        """

    @abstractmethod
    def number_of(self, name: str) -> Values:
        """The value of a numeric setting at this gate, by its field's name."""

    @abstractmethod
    def log(self, values: Values) -> Values:
        """Natural logarithm of values raised to at least `SMALLEST`."""

    @abstractmethod
    def root(self, values: Values) -> Values:
        """Square root."""

    @abstractmethod
    def where(self, mask: Values, values: Values | float, others: Values | float) -> Values:
        """``values`` where the mask holds, ``others`` elsewhere."""

    @abstractmethod
    def near(self, values: Values, reach: int) -> Values:
        """Maximum over each word and its neighbours up to ``reach`` words away, of numbers or truth values."""

    @abstractmethod
    def total(self, values: Values) -> Values:
        """Sum over the words of the window, of numbers or truth values."""

    @abstractmethod
    def rank(self, values: Values) -> Values:
        """How many words of the window have a lower value, or the same and stand before."""

    @abstractmethod
    def whole_entities(self, exits: Values) -> Values:
        """Of the words that would exit, those whose predicted entity would exit, or has exited, as a whole."""

    @abstractmethod
    def perceptron(self, features: Sequence[Values], weights: Sequence[np.ndarray]) -> Values:
        """Output, 0–1, of a perceptron with a hidden layer (ReLU); see `engine.pruning.controllers.mlp.Network`."""

    @cached_property
    def entity(self) -> Values:
        """Bool, words whose label is not ``O``."""
        return self.labels > 0

    @cached_property
    def count(self) -> Values:
        """Number of alive words in the window."""
        return self.total(self.is_alive)

    def mean(self, values: Values) -> Values:
        """Mean over the alive words of the window, 0 if there are none."""
        return self.total(self.where(self.is_alive, values, 0.0)) / self.where(self.count > 0, self.count, 1.0)

    def deviation(self, values: Values) -> Values:
        """Standard deviation over the alive words of the window."""
        difference = values - self.mean(values)
        return self.root(self.mean(difference * difference))

    def standardised(self, values: Values) -> Values:
        """Values minus their mean ÷ their deviation, over the alive words of the window; 0 where all are alike."""
        deviation = self.deviation(values)
        scaled = (values - self.mean(values)) / (deviation + SMALLEST)
        return self.where(deviation > LEAST_DEVIATION, scaled, 0.0)

    def keep_minimum(self, exits: Values, importance: Values, share: Values) -> Values:
        """Reduces exits to the words of least importance, so that a share of the window's words stays."""
        rank = self.rank(self.where(exits, importance, np.inf))
        return exits & (self.size * share <= self.count - rank - 1)

    def enough(self, exits: Values) -> Values:
        """Lets no word exit in a window where fewer than `MIN_EXIT_RATIO` of its words would, but some would stay."""
        exiting = self.total(exits)
        return exits & ((exiting >= self.size * MIN_EXIT_RATIO) | (exiting >= self.count))


@dataclass(frozen=True)
class Words:
    """The words of one or several windows, in the order of windows, which stay the same while rows exit."""

    window: np.ndarray  # int64 (words,), the window of each word
    counts: np.ndarray  # int64 (windows,), the number of words in each window

    @classmethod
    def of(cls, counts: Sequence[int]) -> Self:
        """The words of windows with these numbers of words."""
        return cls(np.repeat(np.arange(len(counts)), counts), np.asarray(counts, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True, eq=False)
class ArrayGate(Gate):
    """A gate as NumPy arrays, for the words of several windows."""

    number: int
    index: int
    words: Words
    is_alive: np.ndarray
    probabilities: np.ndarray  # float32 (words, labels), of the latest label head that each word reached
    label_set: LabelSet  # the model's
    numbers: Mapping[str, float] = field(default_factory=dict)  # values of numeric settings at this gate
    layer_signals: Mapping[str, np.ndarray] = field(default_factory=dict)  # read by the controller

    @cached_property
    def size(self) -> np.ndarray:
        return self.words.counts[self.words.window].astype(np.float32)

    @cached_property
    def labels(self) -> np.ndarray:
        return self.probabilities.argmax(-1)

    @cached_property
    def confidence(self) -> np.ndarray:
        return self.probabilities.max(-1)

    @cached_property
    def entropy(self) -> np.ndarray:
        return signals.normalised_entropy(self.probabilities)

    @cached_property
    def margin(self) -> np.ndarray:
        best = np.partition(self.log(self.probabilities), -2, axis=-1)
        return best[:, -1] - best[:, -2]

    @cached_property
    def outside(self) -> np.ndarray:
        return self.probabilities[:, 0]

    def of_layer(self, name: str) -> np.ndarray:
        return self.layer_signals[name]

    def number_of(self, name: str) -> float:
        return self.numbers[name]

    def log(self, values: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(values, SMALLEST))

    def root(self, values: np.ndarray) -> np.ndarray:
        return np.sqrt(values)

    def where(self, mask: np.ndarray, values: Any, others: Any) -> np.ndarray:
        return np.where(mask, values, others)

    def near(self, values: np.ndarray, reach: int) -> np.ndarray:
        return signals.neighbour_max(values, self.words.window, reach)

    def total(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.words.window, values, len(self.words.counts))[self.words.window]

    def rank(self, values: np.ndarray) -> np.ndarray:
        counts, ranks = self.words.counts, np.empty(len(values), dtype=np.int64)
        begins = (counts.cumsum() - counts)[self.words.window]
        ranks[np.lexsort((values, self.words.window))] = np.arange(len(values)) - begins
        return ranks

    def whole_entities(self, exits: np.ndarray) -> np.ndarray:
        begins, window = ~self.label_set.continues(self.labels), self.words.window
        begins[1:] |= window[1:] != window[:-1]
        whole = np.logical_and.reduceat(exits | ~self.is_alive, np.flatnonzero(begins))
        return whole[begins.cumsum() - 1] & self.is_alive

    def perceptron(self, features: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        inner, inner_bias, outer, outer_bias = weights
        hidden = np.maximum(np.stack(features, axis=1).astype(np.float32) @ inner + inner_bias, 0)
        return 1 / (1 + np.exp(-(hidden @ outer + outer_bias)))
