"""What a controller sees of a gate, with each signal computed once and on demand, and its decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.model.attention import Attention
from engine.model.packing import RaggedBatch, Words
from engine.pruning import signals
from engine.text.labels import LabelSet

MAX_CACHED_WEIGHTS = 2**25  # attention weights cached per gate, at most 128 MB


@dataclass(frozen=True, eq=False)
class Decision:
    """A controller's decision at a gate.

    ``exits``: bool ``(words,)``, the words that exit.
    ``importance``: float ``(words,)``, how much each word still needs computation; words of low importance exit.
    """

    exits: np.ndarray
    importance: np.ndarray


@dataclass(frozen=True, eq=False)
class Gate:
    """What a controller sees at the gate after a layer.

    Args:
        number: number of the layer.
        index: number of gates before this one.
        batch: where the layer's rows belong.
        alive: bool ``(words,)``, words that have not exited.
        probabilities: float32 ``(words, labels)`` of the latest label head that each word reached.
        previous: hidden states ``(rows, hidden)`` before the layer.
        hidden: hidden states ``(rows, hidden)`` after the layer.
        attend: returns the layer's attention.
        label_set: the model's labels.
    """

    number: int
    index: int
    batch: RaggedBatch
    alive: np.ndarray
    probabilities: np.ndarray
    previous: Tensor
    hidden: Tensor
    attend: Callable[[], Attention]
    label_set: LabelSet

    @property
    def words(self) -> Words:
        """The words of the batch."""
        return self.batch.words

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

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Standardises ``(words,)`` by the mean and standard deviation of each window's alive words."""
        window = self.words.window
        mean, std = signals.window_mean_std(values, self.alive, window, len(self.words.counts))
        return (values - mean[window]) / std[window].clip(min=1e-6)

    @cached_property
    def change(self) -> np.ndarray:
        """Norm of the layer's change to each word's first word piece ÷ norm before it, float32 ``(words,)``."""
        rows = np.flatnonzero(self.batch.first)
        index = torch.from_numpy(rows).to(self.hidden.device)
        before, after = (part.index_select(0, index).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved

    @cached_property
    def attention_received(self) -> np.ndarray:
        """Attention that words receive, float32 ``(words,)``, 1 on average over a window's rows."""
        return self._pool_words(signals.attention_received)

    @cached_property
    def attention_entropy(self) -> np.ndarray:
        """Normalised entropy of the attention that words pay, float32 ``(words,)``, 0–1."""
        return self._pool_words(signals.attention_entropy)

    @cached_property
    def attention(self) -> Attention:
        """The layer's attention."""
        return self.attend()

    def _windows(self) -> Iterable[Iterable[Tensor]]:
        """Each window's attention weights in blocks, cached for other statistics unless there are too many."""
        return self.attention.windows() if self.attention.num_weights > MAX_CACHED_WEIGHTS else self._cached_windows

    @cached_property
    def _cached_windows(self) -> list[list[Tensor]]:
        return [list(window) for window in self.attention.windows()]

    def _pool_words(self, statistic: Callable[[Iterable[Tensor]], Tensor]) -> np.ndarray:
        values = torch.cat([statistic(window) for window in self._windows()])
        return signals.pool_words(values.numpy(force=True), self.batch.word, len(self.words))
