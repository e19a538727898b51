"""Pads a ragged batch to rectangles: groups of windows of similar length, each padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.model.packing import RaggedBatch

STEP = 16  # lengths are rounded up to multiples of this, because a runtime takes 0.1 ms for a change of shape
MAX_PADDING = 16  # rows of padding that a window accepts to join a longer one, because a call costs about as much


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of each window of a batch, padded, group by group in one array.

    ``index``: int64 ``(padded rows,)``, the batch's row at each place; padding repeats its window's first row.
    ``position``: int64 ``(padded rows,)``, position in the window, −1 for padding.
    ``shapes``: number of windows and rows per window of each group.
    ``places``: int64 ``(rows,)``, the place of each row in the padded array, in the batch's order.
    """

    index: np.ndarray
    position: np.ndarray
    shapes: tuple[tuple[int, int], ...]
    places: np.ndarray

    def pad(self, rows: np.ndarray) -> np.ndarray:
        """Pads ``(rows, hidden)`` to ``(padded rows, hidden)``; returns the same array if no row moves."""
        return rows if self._moves_nothing else rows.take(self.index, axis=0)

    def unpad(self, padded: np.ndarray) -> np.ndarray:
        """Undoes `pad` for these rows."""
        return padded if self._moves_nothing else padded.take(self.places, axis=0)

    def split(self, padded: np.ndarray) -> list[np.ndarray]:
        """Splits ``(padded rows, …)`` into views ``(windows, rows, …)``, one for each group."""
        ends = np.cumsum([windows * rows for windows, rows in self.shapes]).tolist()
        return [
            padded[end - windows * rows : end].reshape(windows, rows, *padded.shape[1:])
            for end, (windows, rows) in zip(ends, self.shapes, strict=True)
        ]

    @cached_property
    def _moves_nothing(self) -> bool:
        return np.array_equal(self.index, np.arange(len(self.places)))


def pad_windows(batch: RaggedBatch) -> Rows:
    """Pads the unfinished windows of a batch, in groups of similar length."""
    lengths = np.array(batch.lengths)
    starts = lengths.cumsum() - lengths
    indices, kept, shapes = [], [], []
    for group in group_by_length(batch.lengths):
        own, first = lengths[group][:, None], starts[group][:, None]
        length = -(-int(own.max()) // STEP) * STEP
        offsets = np.arange(length)
        real = offsets < own
        indices.append(np.where(real, first + offsets, first).ravel())
        kept.append(real.ravel())
        shapes.append((len(group), length))
    index, real = np.concatenate(indices), np.concatenate(kept)
    places = np.empty(len(batch), dtype=np.int64)
    places[index[real]] = np.flatnonzero(real)
    return Rows(index, np.where(real, batch.position[index], -1), tuple(shapes), places)


def group_by_length(lengths: Sequence[int]) -> list[np.ndarray]:
    """Groups the indices of windows with rows; lengths in a group differ by at most `MAX_PADDING`."""
    order = [index for index in np.argsort(lengths, kind="stable")[::-1].tolist() if lengths[index]]
    found: list[list[int]] = []
    for index in order:
        if found and lengths[found[-1][0]] - lengths[index] <= MAX_PADDING:
            found[-1].append(index)
        else:
            found.append([index])
    return [np.array(group) for group in found]
