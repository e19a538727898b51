"""Controllers: at a gate, score the words and say who leaves. Pure code on arrays; settings are the fields.

A word's *need* is how much it still needs computing; words with little need leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputError
from engine.model.attention import Attention
from engine.model.packing import RaggedBatch, Words
from engine.pruning.signals import (
    attention_entropy,
    attention_received,
    lowest_per_window,
    neighbour_max,
    normalised_entropy,
    pool_words,
    whole_spans,
    window_mean_std,
)

if TYPE_CHECKING:
    from engine.pruning.strategy import Strategy


@dataclass(frozen=True)
class Gate:
    """What a controller sees.

    Args:
        number: the layer just computed.
        index: how many gates came before.
        batch: the rows that were computed.
        alive: bool ``(words,)``, words that have not left.
        probabilities: ``(words, labels)`` of this gate's head; of words that left, as they left.
        previous: hidden states ``(rows, hidden)`` before the layer.
        hidden: hidden states after it.
        attention: what the layer's rows attended to.
    """

    number: int
    index: int
    batch: RaggedBatch
    alive: np.ndarray
    probabilities: np.ndarray
    previous: Tensor
    hidden: Tensor
    attention: Attention

    @property
    def words(self) -> Words:
        return self.batch.words

    @cached_property
    def labels(self) -> np.ndarray:
        """The head's label of each word, int64 ``(words,)``."""
        return self.probabilities.argmax(-1)

    def change(self) -> np.ndarray:
        """How far the first piece of each word moved in the layer, relative to its length, float32 ``(words,)``."""
        rows = np.flatnonzero(self.batch.first)
        index = torch.from_numpy(rows).to(self.hidden.device)
        before, after = (part.index_select(0, index).float() for part in (self.previous, self.hidden))
        moved = np.zeros(len(self.words), dtype=np.float32)
        moved[self.batch.word[rows]] = ((after - before).norm(dim=1) / before.norm(dim=1)).numpy(force=True)
        return moved

    def attention_received(self) -> np.ndarray:
        """Attention that words receive, float32 ``(words,)``; see `engine.pruning.signals.attention_received`."""
        return self._pooled(attention_received, self.batch.word)

    def attention_entropy(self) -> np.ndarray:
        """Entropy of the attention that words pay, float32 ``(words,)``; see `signals.attention_entropy`."""
        batch = self.batch
        return self._pooled(attention_entropy, batch.word if batch.active is None else batch.word[batch.active])

    @cached_property
    def _windows(self) -> list[Tensor]:
        return list(self.attention.windows())

    def _pooled(self, statistic: Callable[[Tensor], Tensor], word: np.ndarray) -> np.ndarray:
        values = torch.cat([statistic(window) for window in self._windows])
        return pool_words(values.numpy(force=True), word, len(self.words))


@dataclass(frozen=True)
class Decision:
    """``leaves`` bool ``(words,)``; ``need`` float ``(words,)``, the score behind it."""

    leaves: np.ndarray
    need: np.ndarray


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Raises an `InputError` unless a setting is a number (a whole one) in a range."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or (whole and not isinstance(value, int)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"expected {name} as {kind} between {low:g} and {high:g}, got {value!r}; choose such a value")


def check_flag(name: str, value: object) -> None:
    """Raises an `InputError` unless a setting is true or false."""
    if not isinstance(value, bool):
        raise InputError(f"expected {name} as true or false, got {value!r}; choose one of them")


def as_tuple(values: float | tuple[float, ...]) -> tuple[float, ...]:
    """Thresholds gate by gate, given as one for all gates or one for each."""
    return values if isinstance(values, tuple) else (values,)


def at_gate(thresholds: tuple[float, ...], gate: Gate) -> float:
    """The threshold at a gate; the last one is that of all further gates."""
    return thresholds[min(gate.index, len(thresholds) - 1)]


def leave_below(
    gate: Gate, need: np.ndarray, threshold: float | np.ndarray, min_keep_ratio: float, *, whole: bool
) -> Decision:
    """Words leave whose need is at most the threshold.

    Args:
        gate: where.
        need: ``(words,)``.
        threshold: one, or one for each word.
        min_keep_ratio: share of a window's words, 0–1, that stay at least.
        whole: predicted entities leave as a whole or not at all.
    """

    def uncut(leaves: np.ndarray) -> np.ndarray:
        return whole_spans(leaves | ~gate.alive, gate.labels, gate.words.window) & gate.alive if whole else leaves

    leaves = uncut((need <= threshold) & gate.alive)
    if min_keep_ratio:
        leaves = uncut(_not_below_floor(leaves, need, gate, min_keep_ratio))
    return Decision(leaves, need)


def _not_below_floor(leaves: np.ndarray, need: np.ndarray, gate: Gate, min_keep_ratio: float) -> np.ndarray:
    """Of the words that would leave, those with the least need, so that the share ``min_keep_ratio`` stays alive."""
    words = gate.words
    alive = np.bincount(words.window[gate.alive], minlength=len(words.counts))
    floor = np.ceil(words.counts * min_keep_ratio).astype(np.int64)
    return lowest_per_window(need, leaves, words.window, alive - floor)


@dataclass(frozen=True)
class EntropyController:
    """Words leave when the gate's label distribution is certain for them and their neighbours.

    Args:
        max_entropy: normalised entropy, 0–1, up to which a word is certain: one value for all gates, or one for each
            (the last one for further gates). At a gate with 1 every word is.
        neighbours: a word leaves only if all words up to so many places away are certain, too.
        exit_entities: words of predicted entities may leave (the whole entity at once); otherwise they and their
            neighbours stay.
        min_keep_ratio: share of a window's words, 0–1, that stay to the end at least.
    """

    max_entropy: float | tuple[float, ...] = 0.1
    neighbours: int = 1
    exit_entities: bool = False
    min_keep_ratio: float = 0.0
    kind: ClassVar[str] = "entropy"
    uses_attention: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.max_entropy, list):  # from JSON
            object.__setattr__(self, "max_entropy", tuple(self.max_entropy))
        for value in self.thresholds or (None,):
            check_number("max_entropy", value, 0, 1)
        check_flag("exit_entities", self.exit_entities)
        check_number("neighbours", self.neighbours, 0, 16, whole=True)
        check_number("min_keep_ratio", self.min_keep_ratio, 0, 1)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """``max_entropy`` gate by gate."""
        return as_tuple(self.max_entropy)

    def __call__(self, gate: Gate) -> Decision:
        threshold = at_gate(self.thresholds, gate)
        if threshold >= 1 and self.exit_entities and not self.min_keep_ratio:
            return Decision(gate.alive, np.zeros(len(gate.words)))  # all leave, however certain
        return self.decide(gate, threshold)

    def threshold(self, gate: Gate, need: np.ndarray) -> np.ndarray:
        """The need, ``(words,)``, up to which words are let go at a gate."""
        return np.full(len(need), at_gate(self.thresholds, gate))

    def decide(self, gate: Gate, threshold: float | np.ndarray) -> Decision:
        """The decision for a threshold, which may differ from word to word, ``(words,)``."""
        entropy = normalised_entropy(gate.probabilities)
        if not self.exit_entities:
            entropy = np.where(gate.labels > 0, np.inf, entropy)
        need = neighbour_max(entropy, gate.words.window, self.neighbours)
        return leave_below(gate, need, threshold, self.min_keep_ratio, whole=self.exit_entities)


@dataclass(frozen=True)
class RuleController:
    """Words leave whose importance lies below μ + λσ of their window; words near a predicted entity stay.

    Importance is a weighted sum of the gate head's uncertainty (log of 1 − top probability, which spreads the many
    certain words apart), attention received and attention entropy, each standardised over the window's words that are
    alive.

    Args:
        lambda_: λ; a larger one prunes more.
        uncertainty, received, entropy: weights of the three parts.
        neighbours: words up to so many places from a predicted entity stay.
        min_keep_ratio: share of a window's words, 0–1, that stay to the end at least.
    """

    lambda_: float = 0.0
    uncertainty: float = 1.0
    received: float = 0.25
    entropy: float = 0.0
    neighbours: int = 1
    min_keep_ratio: float = 0.1
    kind: ClassVar[str] = "rule"
    LAMBDA_RANGE: ClassVar[tuple[float, float]] = (-2.0, 2.0)

    def __post_init__(self) -> None:
        check_number("lambda", self.lambda_, *self.LAMBDA_RANGE)
        for name in ("uncertainty", "received", "entropy"):
            check_number(name, getattr(self, name), -10, 10)
        check_number("neighbours", self.neighbours, 0, 16, whole=True)
        check_number("min_keep_ratio", self.min_keep_ratio, 0, 1)

    @property
    def uses_attention(self) -> bool:
        """Whether a part made of attention has a weight; parts without one are not computed."""
        return bool(self.received or self.entropy)

    def __call__(self, gate: Gate) -> Decision:
        window, windows = gate.words.window, len(gate.words.counts)
        parts: tuple[tuple[float, Callable[[], np.ndarray]], ...] = (
            (self.uncertainty, lambda: np.log((1 - gate.probabilities.max(-1)).clip(min=1e-6))),
            (self.received, gate.attention_received),
            (self.entropy, gate.attention_entropy),
        )
        need = np.zeros(len(window))
        for weight, part in parts:
            if not weight:
                continue
            values = part()
            mean, std = window_mean_std(values, gate.alive, window, windows)
            need = need + weight * (values - mean[window]) / std[window].clip(min=1e-6)
        near_entity = neighbour_max(gate.labels > 0, window, self.neighbours)
        leaves = (need < self.threshold(gate, need)) & ~near_entity & gate.alive
        if self.min_keep_ratio:
            leaves = _not_below_floor(leaves, need, gate, self.min_keep_ratio)
        return Decision(leaves, need)

    def threshold(self, gate: Gate, need: np.ndarray) -> np.ndarray:
        """The need, ``(words,)``, below which words are let go: μ + λσ of each word's window."""
        mean, std = window_mean_std(need, gate.alive, gate.words.window, len(gate.words.counts))
        return (mean + self.lambda_ * std)[gate.words.window]


@dataclass(frozen=True)
class ExitController:
    """Every word leaves: the encoder ends at the gate."""

    kind: ClassVar[str] = "exit"
    uses_attention: ClassVar[bool] = False

    def __call__(self, gate: Gate) -> Decision:
        return Decision(gate.alive, np.zeros(len(gate.words)))


@dataclass(frozen=True)
class RandomController:
    """Replays, for each window and gate, how many words left under another strategy, with words chosen at random.

    Args:
        replays: the strategy whose counts are replayed.
        seed: of the choice, which depends on it and on the window's own text alone.
    """

    replays: Strategy
    seed: int = 0
    kind: ClassVar[str] = "random"
    uses_attention: ClassVar[bool] = False


@dataclass(frozen=True)
class Replay:
    """A `RandomController` bound to one batch: an order of words, and counts ``(windows,)`` to replay at each gate."""

    counts: dict[int, np.ndarray]
    order: np.ndarray = field(repr=False)
    uses_attention: ClassVar[bool] = False

    @classmethod
    def of(cls, controller: RandomController, batch: RaggedBatch, counts: dict[int, np.ndarray]) -> Replay:
        """Draws one order over all words of each window."""
        draws = []
        ends = np.cumsum(batch.lengths)[:-1]
        for ids, words in zip(np.split(batch.input_ids, ends), batch.words.counts.tolist(), strict=True):
            seed = (controller.seed * 1_000_003 + int(ids.sum()) * 8191 + len(ids)) % 2**63
            draws.append(torch.rand(words, generator=torch.Generator().manual_seed(seed)))
        return cls(counts, torch.cat(draws).numpy())

    def __call__(self, gate: Gate) -> Decision:
        words = gate.words
        leaves = lowest_per_window(self.order, gate.alive, words.window, self.counts[gate.number])
        return Decision(leaves, self.order)
