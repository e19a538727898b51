"""Groups the windows of several texts into batches, and maps what batches say of words back to each text.

Words have a number in their window, in the batch, and in their text. Only this module converts.
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

    ``text``: its text's number.
    ``index``: its number in the batch.
    ``first_word``: its first word's number in the batch.
    """

    text: int
    window: Window
    index: int
    first_word: int

    @property
    def own(self) -> slice:
        """The words that it labels, by their numbers in the batch."""
        return slice(self.in_batch(self.window.own), self.in_batch(self.window.own_end))

    def in_batch(self, word: int) -> int:
        """Converts a word's number in the text to its number in the batch."""
        return self.first_word + word - self.window.first


@dataclass(frozen=True, eq=False)
class Chunk:
    """Windows that run together."""

    batch: RaggedBatch
    slots: tuple[Slot, ...]


def chunks(windows: Sequence[Sequence[Window]], max_rows: int) -> Iterator[Chunk]:
    """Groups the windows of all texts by length into batches.

    Args:
        windows: of each text.
        max_rows: of a batch, unless its only window has more.
    """
    flat = [(text, window) for text, of_text in enumerate(windows) for window in of_text]
    flat.sort(key=lambda item: len(item[1].input_ids))
    begin = rows = 0
    for end, (_, window) in enumerate(flat):
        length = len(window.input_ids)
        if end > begin and rows + length > max_rows:
            yield _chunk(flat[begin:end])
            begin, rows = end, 0
        rows += length
    if flat:
        yield _chunk(flat[begin:])


def _chunk(items: Sequence[tuple[int, Window]]) -> Chunk:
    ends = np.cumsum([window.words for _, window in items]).tolist()
    slots = [
        Slot(text, window, index, end - window.words)
        for index, ((text, window), end) in enumerate(zip(items, ends, strict=True))
    ]
    return Chunk(RaggedBatch.from_windows([window for _, window in items]), tuple(slots))


def by_text(found: Iterable[tuple[Chunk, np.ndarray]], texts: int, columns: int) -> list[np.ndarray]:
    """Regroups per-word arrays by text; each word's row comes from the window that labels it.

    Args:
        found: chunks, each with an array ``(words, columns)`` over its batch.
        texts: how many there are.
        columns: of the arrays.

    Returns:
        Arrays ``(words, columns)``, in the order of the texts.
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
