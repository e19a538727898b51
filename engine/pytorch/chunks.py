"""Groups the windows of several texts into batches and maps per-word results back to the texts.

A word has an index in its window, in the batch and in its text. Only this module converts between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np

from engine.pytorch.packing import RaggedBatch
from engine.text.windows import Window

T = TypeVar("T")

# Rows of the largest batch ÷ mean, up to which batches at once are faster than one batch with all threads.
UNEVEN = 1.25


@dataclass(frozen=True, eq=False)
class Slot:
    """A window in a batch.

    ``text``: index of its text.
    ``index``: index of the window in the batch.
    ``first_word``: index in the batch of the window's first word.
    """

    text: int
    window: Window
    index: int
    first_word: int

    @property
    def own(self) -> slice:
        """The words that this window labels, as a range of indices in the batch."""
        return slice(self.in_batch(self.window.own), self.in_batch(self.window.own_end))

    def in_batch(self, word: int) -> int:
        """Converts a word index in the text to the index in the batch."""
        return self.first_word + word - self.window.first


@dataclass(frozen=True, eq=False)
class Chunk:
    """A batch and the windows in it."""

    batch: RaggedBatch
    slots: tuple[Slot, ...]


def chunks(windows: Sequence[Sequence[Window]], max_rows: int, multiple_of: int = 1) -> Iterator[Chunk]:
    """Groups the windows of all texts, sorted by length, into batches with similar numbers of rows.

    A batch has about ``max_rows`` rows at most. If ``multiple_of`` batches run at once, their number is a multiple of
    it, unless there are too few windows, or windows so different in length that one batch would have many more rows
    than the others.
    """
    flat = [(text, window) for text, of_text in enumerate(windows) for window in of_text]
    if not flat:
        return
    flat.sort(key=lambda item: len(item[1].input_ids))
    lengths = np.array([len(window.input_ids) for _, window in flat])
    count = -(-int(lengths.sum()) // max_rows)
    numbers = _number_batches(lengths, count)
    if len(flat) >= multiple_of:
        of_multiple = _number_batches(lengths, min(-(-count // multiple_of) * multiple_of, len(flat)))
        rows = np.bincount(of_multiple, lengths)
        if count >= multiple_of or rows.max() <= UNEVEN * rows.mean():
            numbers = of_multiple
    for _, items in groupby(zip(numbers.tolist(), flat, strict=True), key=lambda item: item[0]):
        yield _make_chunk([window for _, window in items])


def _number_batches(lengths: np.ndarray, count: int) -> np.ndarray:
    """Assigns windows with these numbers of rows to batches 0 to ``count`` − 1 in order; no batch stays empty."""
    ends, index = lengths.cumsum(), np.arange(len(lengths))
    count = min(count, len(lengths))
    # If all rows were divided evenly among batches, a window would go to the batch that contains its middle.
    numbers = ((ends - lengths / 2) * count / ends[-1]).astype(int)
    # From each window to the next the number grows by at most 1, and the last window has the last one: none is skipped.
    return np.minimum.accumulate(np.maximum(numbers - index, count - len(lengths))) + index


def _make_chunk(items: Sequence[tuple[int, Window]]) -> Chunk:
    ends = np.cumsum([window.words for _, window in items]).tolist()
    slots = [
        Slot(text, window, index, end - window.words)
        for index, ((text, window), end) in enumerate(zip(items, ends, strict=True))
    ]
    return Chunk(RaggedBatch.from_windows([window for _, window in items]), tuple(slots))


def by_text(found: Iterable[tuple[Slot, T]], texts: int) -> list[list[tuple[Slot, T]]]:
    """Regroups windows by text, in order, each with what was found for it."""
    regrouped: list[list[tuple[Slot, T]]] = [[] for _ in range(texts)]
    for slot, result in found:
        regrouped[slot.text].append((slot, result))
    for slots in regrouped:
        slots.sort(key=lambda item: item[0].window.first)
    return regrouped
