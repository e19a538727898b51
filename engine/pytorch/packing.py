"""The ragged batch: rows of many windows packed into one matrix, without padding.

In shapes, ``rows`` counts word pieces including CLS and SEP, ``words`` the words of all windows of a batch, numbered
consecutively, and ``windows`` the windows.

Indices are NumPy arrays on the host. A gate handles only a few hundred numbers, for which the dispatch of tensor
operations (and on a GPU, a launch and a synchronisation for each step) would cost more than the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.text.windows import Window


@dataclass(frozen=True)
class Words:
    """The words of a batch, which stay the same while rows exit.

    ``window``: int64 ``(words,)``, the window of each word.
    ``counts``: int64 ``(windows,)``, the number of words in each window.
    """

    window: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class RaggedBatch:
    """Where each packed row belongs. Rows of a window are contiguous, in text order.

    ``input_ids``, ``position``, ``word`` int64 ``(rows,)``; ``word`` is −1 for CLS and SEP. ``lengths``: number of
    rows of each window, 0 if it is finished. ``first`` bool ``(rows,)``: whether the row is the first word piece of a
    word.

    ``cached``: what `Encoder.placed` returned for each window, for later layers of the same kind.
    """

    input_ids: np.ndarray
    position: np.ndarray
    word: np.ndarray
    first: np.ndarray
    lengths: tuple[int, ...]
    words: Words
    cached: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def from_windows(cls, windows: Sequence[Window]) -> RaggedBatch:
        """Packs windows in the given order."""
        lengths = np.array([len(window.input_ids) for window in windows])
        counts = np.array([window.words for window in windows])
        offsets = np.repeat(counts.cumsum() - counts, lengths)
        local = np.concatenate([window.word for window in windows])
        word = np.where(local < 0, -1, local + offsets)
        starts = np.repeat(lengths.cumsum() - lengths, lengths)
        return cls(
            input_ids=np.concatenate([window.input_ids for window in windows]),
            position=np.arange(len(word)) - starts,
            word=word,
            first=(word >= 0) & (word != np.concatenate(([-1], word[:-1]))),
            lengths=tuple(lengths.tolist()),
            words=Words(np.repeat(np.arange(len(windows)), counts), counts),
        )

    def __len__(self) -> int:
        return len(self.input_ids)

    def window_of_rows(self) -> np.ndarray:
        """Window of each row, int64 ``(rows,)``."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def keep(self, alive: np.ndarray) -> tuple[RaggedBatch, np.ndarray]:
        """Keeps the rows of the words in ``alive``, bool ``(words,)``; also returns their indices, int64 ``(kept,)``.

        CLS and SEP stay until their window has no words left; then the window is finished and has no rows.
        """
        window = self.window_of_rows()
        unfinished = np.zeros(len(self.lengths), dtype=bool)
        unfinished[self.words.window[alive]] = True
        rows = np.flatnonzero(np.where(self.word < 0, unfinished[window], alive[self.word]))
        return self._select(rows, window), rows

    def join(self, other: RaggedBatch) -> tuple[RaggedBatch, np.ndarray]:
        """Joins rows of other windows of the same original batch.

        The returned order indexes this batch's rows followed by those of ``other``.
        """
        window = np.concatenate((self.window_of_rows(), other.window_of_rows()))
        order = window.argsort(kind="stable")
        whole = replace(
            self,
            input_ids=np.concatenate((self.input_ids, other.input_ids)),
            position=np.concatenate((self.position, other.position)),
            word=np.concatenate((self.word, other.word)),
            first=np.concatenate((self.first, other.first)),
        )
        return whole._select(order, window), order

    def _select(self, rows: np.ndarray, window: np.ndarray) -> RaggedBatch:
        lengths = np.bincount(window[rows], minlength=len(self.lengths))
        return RaggedBatch(
            input_ids=self.input_ids[rows],
            position=self.position[rows],
            word=self.word[rows],
            first=self.first[rows],
            lengths=tuple(lengths.tolist()),
            words=self.words,
        )
