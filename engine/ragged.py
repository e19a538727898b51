"""The ragged batch: rows of many windows packed into one matrix, so that padding never exists.

Shapes in this project: ``rows`` are word pieces with CLS and SEP, ``words`` are the words of all windows of a batch
counted through, ``windows`` are windows.

Indices are NumPy arrays on the host: a gate handles a few hundred small numbers, for which a tensor library's dispatch
(and on a GPU, a launch and a synchronisation for each step) costs more than the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.tokenization import Window


@dataclass(frozen=True)
class Words:
    """The words of a batch, which stay the same while rows leave.

    ``window`` int64 ``(words,)``: the window of each word; ``counts`` int64 ``(windows,)``: words of each window.
    """

    window: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class RaggedBatch:
    """Where each packed row stands. Rows of one window lie together, in text order.

    ``input_ids``, ``position``, ``word`` int64 ``(rows,)``; ``word`` is −1 for CLS and SEP. ``lengths``: rows of each
    window, 0 for a finished one. ``first`` bool ``(rows,)``: the row is its word's first piece.
    """

    input_ids: np.ndarray
    position: np.ndarray
    word: np.ndarray
    first: np.ndarray
    lengths: tuple[int, ...]
    words: Words

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
        """The batch without the rows of words that left, and the kept rows' indices, int64 ``(kept,)``.

        CLS and SEP stay until their window has no words left; then the window is finished and has no rows.

        Args:
            alive: bool ``(words,)``, the words that stay.
        """
        window = self.window_of_rows()
        unfinished = np.zeros(len(self.lengths), dtype=bool)
        unfinished[self.words.window[alive]] = True
        rows = np.flatnonzero(np.where(self.word < 0, unfinished[window], alive[self.word]))
        lengths = np.bincount(window[rows], minlength=len(self.lengths))
        batch = RaggedBatch(
            input_ids=self.input_ids[rows],
            position=self.position[rows],
            word=self.word[rows],
            first=self.first[rows],
            lengths=tuple(lengths.tolist()),
            words=self.words,
        )
        return batch, rows
