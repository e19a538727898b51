"""A ragged batch as rectangles: windows padded, in groups of like length. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.model.packing import RaggedBatch

STEP = 8  # lengths are rounded up to its multiples, so that a runtime meets few different shapes
WORTH = 16  # a call costs as much as about so many rows: a window joins a longer one if that pads it by no more


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of each window of a batch, padded, group by group in one array.

    ``index`` int64 ``(padded rows,)``: the batch's row at each place; padding repeats its window's first row.
    ``position`` int64 ``(padded rows,)``: in the text, −1 for padding. ``shapes``: windows and rows of each group.
    ``places`` int64 ``(rows,)``: where each of the rows stands, in the batch's order.
    """

    index: np.ndarray
    position: np.ndarray
    shapes: tuple[tuple[int, int], ...]
    places: np.ndarray

    def pad(self, rows: np.ndarray) -> np.ndarray:
        """The batch's rows ``(rows, hidden)`` as ``(padded rows, hidden)``; the same array if nothing moves."""
        return rows if self._moves_nothing else rows.take(self.index, axis=0)

    def unpad(self, padded: np.ndarray) -> np.ndarray:
        """The inverse, for these rows only."""
        return padded if self._moves_nothing else padded.take(self.places, axis=0)

    def split(self, padded: np.ndarray) -> list[np.ndarray]:
        """Views of ``(padded rows, …)``, ``(windows, rows, …)`` of each group."""
        ends = np.cumsum([windows * rows for windows, rows in self.shapes]).tolist()
        return [
            padded[end - windows * rows : end].reshape(windows, rows, *padded.shape[1:])
            for end, (windows, rows) in zip(ends, self.shapes, strict=True)
        ]

    @cached_property
    def _moves_nothing(self) -> bool:
        return np.array_equal(self.index, np.arange(len(self.places)))


@dataclass(frozen=True, eq=False)
class Padded:
    """A batch as a runtime sees it: the rows that a layer computes, and those that they attend to.

    Without frozen rows they are the same object.
    """

    active: Rows
    visible: Rows


def padded(batch: RaggedBatch) -> Padded:
    """The unfinished windows of a batch, in groups of like length."""
    lengths = np.array(batch.lengths)
    windows = alike(batch.lengths)
    visible = _rows(windows, np.arange(len(batch)), lengths, batch.position)
    if batch.active is None:
        return Padded(visible, visible)
    return Padded(_rows(windows, batch.active, np.array(batch.active_lengths), batch.position), visible)


def alike(lengths: Sequence[int]) -> list[np.ndarray]:
    """Numbers of the windows with rows, in groups whose longest needs at most `WORTH` rows more than any other."""
    order = [index for index in np.argsort(lengths, kind="stable")[::-1].tolist() if lengths[index]]
    found: list[list[int]] = []
    for index in order:
        if found and lengths[found[-1][0]] - lengths[index] <= WORTH:
            found[-1].append(index)
        else:
            found.append([index])
    return [np.array(group) for group in found]


def _rows(windows: Sequence[np.ndarray], rows: np.ndarray, lengths: np.ndarray, position: np.ndarray) -> Rows:
    """Pads some rows of a batch, of which each window has ``lengths``."""
    starts = lengths.cumsum() - lengths
    indices, kept, shapes = [], [], []
    for group in windows:
        own, first = lengths[group][:, None], starts[group][:, None]
        length = -(-int(own.max()) // STEP) * STEP
        offsets = np.arange(length)
        real = offsets < own
        indices.append(np.where(real, first + offsets, first).ravel())
        kept.append(real.ravel())
        shapes.append((len(group), length))
    index, real = np.concatenate(indices), np.concatenate(kept)
    places = np.empty(len(rows), dtype=np.int64)
    places[index[real]] = np.flatnonzero(real)
    return Rows(rows[index], np.where(real, position[rows[index]], -1), tuple(shapes), places)
