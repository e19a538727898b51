"""A gate: what a controller sees there, every signal computed once and on demand, and what it decides."""

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

KEPT_NUMBERS = 2**25  # of attention, 128 MB


@dataclass(frozen=True, eq=False)
class Decision:
    """Which words exit early at a gate.

    ``exits``: bool ``(words,)``.
    ``importance``: float ``(words,)``, how much each word still needs computing; words with little importance exit.
    """

    exits: np.ndarray
    importance: np.ndarray


@dataclass(frozen=True, eq=False)
class Gate:
    """What a controller sees at the gate after a layer.

    Args:
        number: the layer.
        index: how many gates came before.
        batch: the rows that the layer computed.
        alive: bool ``(words,)``, words that have not exited.
        probabilities: float32 ``(words, labels)`` of this gate's label head, or of the gate where a word exited.
        previous: hidden states ``(rows, hidden)`` before the layer.
        hidden: hidden states ``(rows, hidden)`` after it.
        attend: gives what the layer's rows attended to.
        label_set: what the labels mean.
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
        """Probability of each word's label, ``(words,)``, 0–1."""
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
        """The candidates, bool ``(words,)``, whose predicted entity consists of candidates only."""
        return signals.whole_spans(candidates, self.label_set.continues(self.labels), self.words.window)

    def near(self, values: np.ndarray, reach: int) -> np.ndarray:
        """Maximum of ``values`` ``(words,)`` over each word and its neighbours up to ``reach`` places away."""
        return signals.neighbour_max(values, self.words.window, reach)

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Standardises ``(words,)`` by the mean and standard deviation of each window's alive words."""
        window = self.words.window
        mean, std = signals.window_mean_std(values, self.alive, window, len(self.words.counts))
        return (values - mean[window]) / std[window].clip(min=1e-6)

    @cached_property
    def change(self) -> np.ndarray:
        """How far the layer moved each word's first piece, relative to its norm, float32 ``(words,)``."""
        rows = np.flatnonzero(self.batch.first)
        index = torch.from_numpy(rows).to(self.hidden.device)
        before, after = (part.index_select(0, index).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved

    @cached_property
    def attention_received(self) -> np.ndarray:
        """Attention that words receive, float32 ``(words,)``, 1 on average over a window's rows."""
        return self._pooled(signals.attention_received, self.batch.word)

    @cached_property
    def attention_entropy(self) -> np.ndarray:
        """Normalised entropy of the attention that words pay, float32 ``(words,)``, 0–1."""
        batch = self.batch
        paying = batch.word if batch.active is None else batch.word[batch.active]
        return self._pooled(signals.attention_entropy, paying)

    @cached_property
    def attention(self) -> Attention:
        """What the layer's rows attended to."""
        return self.attend()

    def _windows(self) -> Iterable[Iterable[Tensor]]:
        """Each window's attention in blocks, cached for other statistics unless it is large."""
        return self.attention.windows() if self.attention.numbers > KEPT_NUMBERS else self._kept

    @cached_property
    def _kept(self) -> list[list[Tensor]]:
        return [list(window) for window in self.attention.windows()]

    def _pooled(self, statistic: Callable[[Iterable[Tensor]], Tensor], word: np.ndarray) -> np.ndarray:
        values = torch.cat([statistic(window) for window in self._windows()])
        return signals.pool_words(values.numpy(force=True), word, len(self.words))
