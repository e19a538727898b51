"""The ragged batch: rows of many windows packed into one matrix, without padding.

In shapes, ``rows`` counts word pieces including CLS and SEP, ``words`` the words of all windows of a batch, numbered
consecutively, and ``windows`` the windows. Indices are NumPy arrays on the host, where a gate handles a few hundred of
them faster than a GPU would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from engine.pruning.gate import Words
from engine.text.windows import Window

WINDOWS = 8  # in a batch, outside of training


@dataclass(frozen=True)
class RaggedBatch:
    """Where each packed row belongs. Rows of a window are contiguous, in text order."""

    input_ids: np.ndarray  # int64 (rows,), like position and word
    position: np.ndarray  # in its window
    word: np.ndarray  # −1 for CLS and SEP
    first: np.ndarray  # bool (rows,), whether the row is the first word piece of a word
    lengths: tuple[int, ...]  # number of rows of each window
    words: Words

    @classmethod
    def from_windows(cls, windows: Sequence[Window]) -> Self:
        lengths = np.array([len(window.input_ids) for window in windows])
        counts = np.array([window.num_words for window in windows])
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
            words=Words.of(counts.tolist()),
        )

    @classmethod
    def in_turn(cls, windows: Sequence[Window]) -> Iterator[Self]:
        """Yields batches of at most `WINDOWS` windows, in order."""
        for begin in range(0, len(windows), WINDOWS):
            yield cls.from_windows(windows[begin : begin + WINDOWS])

    def by_window(self, rows: np.ndarray) -> list[np.ndarray]:
        """Cuts an array with an entry for each row into those of the windows."""
        return np.split(rows, np.cumsum(self.lengths)[:-1])

    def keep(self, alive: np.ndarray) -> tuple[Self, np.ndarray]:
        """Keeps the rows of the words in ``alive``, bool ``(words,)``, and CLS and SEP.

        Also returns their indices, int64 ``(kept,)``.
        """
        rows = np.flatnonzero((self.word < 0) | alive[self.word])
        return self.select(rows), rows

    def select(self, rows: np.ndarray) -> Self:
        """Keeps rows, int64 ``(kept,)``, ascending."""
        kept = {name: getattr(self, name)[rows] for name in ("input_ids", "position", "word", "first")}
        windows = np.arange(len(self.lengths)).repeat(self.lengths)
        lengths = np.bincount(windows[rows], minlength=len(self.lengths))
        return replace(self, lengths=tuple(lengths.tolist()), **kept)
