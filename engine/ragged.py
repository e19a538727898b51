"""The ragged batch: rows of many windows packed into one matrix, so that padding never exists.

Shapes in this project: ``rows`` are word pieces with CLS and SEP, ``words`` are the words of all windows of a batch
counted through, ``windows`` are windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.tokenization import Window


@dataclass(frozen=True)
class Words:
    """The words of a batch, which stay the same while rows leave.

    ``window`` int64 ``(words,)``: the window of each word; ``counts`` int64 ``(windows,)``: words of each window.
    """

    window: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class RaggedBatch:
    """Where each packed row stands. Rows of one window lie together, in text order.

    ``input_ids``, ``position``, ``word`` int64 ``(rows,)``; ``word`` is −1 for CLS and SEP. ``lengths``: rows of each
    window, 0 for a finished one. ``first`` bool ``(rows,)``: the row is its word's first piece.
    """

    input_ids: Tensor
    position: Tensor
    word: Tensor
    first: Tensor
    lengths: tuple[int, ...]
    words: Words

    @classmethod
    def from_windows(cls, windows: Sequence[Window], device: torch.device | None = None) -> RaggedBatch:
        """Packs windows in the given order."""
        lengths = np.array([len(window.input_ids) for window in windows])
        counts = np.array([window.words for window in windows])
        offsets = np.repeat(counts.cumsum() - counts, lengths)
        local = np.concatenate([window.word for window in windows])
        word = np.where(local < 0, -1, local + offsets)
        starts = np.repeat(lengths.cumsum() - lengths, lengths)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(device)

        return cls(
            input_ids=tensor(np.concatenate([window.input_ids for window in windows])),
            position=tensor(np.arange(len(word)) - starts),
            word=tensor(word),
            first=tensor((word >= 0) & (word != np.concatenate(([-1], word[:-1])))),
            lengths=tuple(lengths.tolist()),
            words=Words(tensor(np.repeat(np.arange(len(windows)), counts)), tensor(counts)),
        )

    def __len__(self) -> int:
        return len(self.input_ids)

    def window_of_rows(self) -> Tensor:
        """Window of each row, int64 ``(rows,)``."""
        lengths = torch.tensor(self.lengths, device=self.word.device)
        return torch.repeat_interleave(lengths)

    def keep(self, alive: Tensor) -> tuple[RaggedBatch, Tensor]:
        """The batch without the rows of words that left, and the kept rows' indices, int64 ``(kept,)``.

        CLS and SEP stay until their window has no words left; then the window is finished and has no rows.

        Args:
            alive: bool ``(words,)``, the words that stay.
        """
        window = self.window_of_rows()
        unfinished = torch.zeros(len(self.lengths), dtype=torch.bool, device=alive.device)
        unfinished[self.words.window[alive]] = True
        special = self.word < 0
        kept = torch.where(special, unfinished[window], alive[self.word.clamp(min=0)])
        rows = kept.nonzero().squeeze(1)
        lengths = torch.bincount(window[rows], minlength=len(self.lengths))
        batch = RaggedBatch(
            input_ids=self.input_ids[rows],
            position=self.position[rows],
            word=self.word[rows],
            first=self.first[rows],
            lengths=tuple(lengths.tolist()),
            words=self.words,
        )
        return batch, rows
