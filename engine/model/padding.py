"""Windows of a ragged batch, padded to groups of like length, for runtimes that compute rectangles only. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.model.packing import RaggedBatch

STEP = 8  # lengths are rounded up to its multiples, so that a runtime meets few different shapes
WORTH = 16  # a call costs as much as about so many rows: a window joins a longer one if that pads it by no more


@dataclass(frozen=True, eq=False)
class Group:
    """Some windows of a batch, padded to one length; padding repeats a window's first row and stands at position −1.

    ``active`` int64 ``(windows, queries)``: the rows of the batch that a layer computes. ``visible`` int64 ``(windows,
    keys)``: the rows that they attend to; the same array, unless rows are frozen. ``active_position``,
    ``visible_position``: their positions in the text. ``computed`` bool ``(windows, queries)``: no padding.
    """

    active: np.ndarray
    visible: np.ndarray
    active_position: np.ndarray
    visible_position: np.ndarray
    computed: np.ndarray


def groups(batch: RaggedBatch) -> list[Group]:
    """The unfinished windows of a batch, grouped."""
    lengths = np.array(batch.lengths)
    starts = lengths.cumsum() - lengths
    rows = np.arange(len(batch))
    if batch.active is not None:
        active_lengths = np.array(batch.active_lengths)
        active_starts = active_lengths.cumsum() - active_lengths
    found = []
    for windows in alike(batch.lengths):
        visible, seen = _padded(rows, starts[windows], lengths[windows])
        active, computed = visible, seen
        if batch.active is not None:
            active, computed = _padded(batch.active, active_starts[windows], active_lengths[windows])
        active_position = np.where(computed, batch.position[active], -1)
        visible_position = np.where(seen, batch.position[visible], -1)
        found.append(Group(active, visible, active_position, visible_position, computed))
    return found


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


def _padded(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some stretches of rows side by side, ``(stretches, length)``, and which of them are no padding."""
    length = -(-int(lengths.max()) // STEP) * STEP
    offsets = np.arange(length)
    real = offsets < lengths[:, None]
    return rows[np.where(real, starts[:, None] + offsets, starts[:, None])], real
