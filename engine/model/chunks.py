"""From the windows of several texts to batches, and from what a batch says of its words back to each text.

Words are numbered within their window, through a batch, and through their text. Only this module converts.
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

    ``text``: the number of its text.
    ``index``: its own number in the batch.
    ``first_word``: the number in the batch of its first word.
    """

    text: int
    window: Window
    index: int
    first_word: int

    @property
    def own(self) -> slice:
        """The words that it labels, as numbers of the batch."""
        return slice(self.in_batch(self.window.own), self.in_batch(self.window.own_end))

    def in_batch(self, word: int) -> int:
        """The number in the batch of a word of the text."""
        return self.first_word + word - self.window.first


@dataclass(frozen=True, eq=False)
class Chunk:
    """Windows that run together."""

    batch: RaggedBatch
    slots: tuple[Slot, ...]


def chunks(windows: Sequence[Sequence[Window]], max_rows: int | None = None) -> Iterator[Chunk]:
    """Batches of the windows of each text.

    Args:
        windows: of each text.
        max_rows: windows go by length, as many at a time as fit into so many rows; ``None``: all together, in order.
    """
    flat = [(text, window) for text, of_text in enumerate(windows) for window in of_text]
    if max_rows is not None:
        flat.sort(key=lambda item: len(item[1].input_ids))
    begin = rows = 0
    for end, (_, window) in enumerate(flat):
        length = len(window.input_ids)
        if max_rows is not None and end > begin and rows + length > max_rows:
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
    """What batches say of their words, text by text: each word's row comes from the window that labels it.

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
