"""Groups the windows of several texts into batches and maps per-word results back to the texts.

A word has an index in its window, in the batch and in its text. Only this module converts between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.model.packing import RaggedBatch
from engine.text.windows import Window


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


def chunks(windows: Sequence[Sequence[Window]], max_rows: int, at_once: int = 1) -> Iterator[Chunk]:
    """Groups the windows of all texts, sorted by length, into batches with similar numbers of rows.

    Args:
        windows: windows of each text.
        max_rows: approximate maximum number of rows in a batch.
        at_once: number of batches that run at the same time. The number of batches is a multiple of it unless there
            are fewer windows.
    """
    flat = [(text, window) for text, of_text in enumerate(windows) for window in of_text]
    flat.sort(key=lambda item: len(item[1].input_ids))
    ends = np.cumsum([len(window.input_ids) for _, window in flat])
    if not flat:
        return
    count = -(-int(ends[-1]) // max_rows)
    if len(flat) >= at_once:
        count = -(-count // at_once) * at_once
    # If all rows were divided evenly among batches, a window would go to the batch that contains its middle.
    middles = ends - np.diff(ends, prepend=0) / 2
    numbers = (middles * count / ends[-1]).astype(int)
    for number in dict.fromkeys(numbers.tolist()):
        first, end = np.searchsorted(numbers, (number, number + 1)).tolist()
        yield _make_chunk(flat[first:end])


def _make_chunk(items: Sequence[tuple[int, Window]]) -> Chunk:
    ends = np.cumsum([window.words for _, window in items]).tolist()
    slots = [
        Slot(text, window, index, end - window.words)
        for index, ((text, window), end) in enumerate(zip(items, ends, strict=True))
    ]
    return Chunk(RaggedBatch.from_windows([window for _, window in items]), tuple(slots))


def by_text(found: Iterable[tuple[Chunk, np.ndarray]], texts: int, columns: int) -> list[np.ndarray]:
    """Regroups per-word arrays by text; each word's entry comes from the window that labels it.

    Args:
        found: chunks, each with an array ``(words, columns)`` over its batch.
        texts: number of texts.
        columns: number of columns of the arrays.

    Returns:
        An array ``(words, columns)`` for each text, in order.
    """
    parts: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(texts)]
    for chunk, array in found:
        for slot in chunk.slots:
            parts[slot.text].append((slot.window.first, array[slot.own]))
    empty = np.zeros((0, columns), dtype=np.float32)
    joined = []
    for of_text in parts:
        of_text.sort(key=lambda part: part[0])
        arrays = [array for _, array in of_text]
        joined.append(empty if not arrays else arrays[0] if len(arrays) == 1 else np.concatenate(arrays))
    return joined
