"""A window as the inputs of a graph, in which words have slots.

The window's words come first, then `SPARE` empty slots or a few more, and at last one that takes what belongs to no
word. Rows and slots are padded, because OpenVINO generates code for each row count, which takes time and memory. One
padding row precedes the window's rows, so that a gate can take it again; the others follow them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.text.windows import Window

SPARE = 16  # as many as neighbours may count, so that no word is a neighbour of the last slot
STEP = 8  # rows and slots are padded to multiples of it
MASKED = -1e4  # added to the scores of attention to a padding row


def window_inputs(window: Window, labels: int, first_position: int) -> dict[str, np.ndarray]:
    """The inputs of every graph for a window; `engine.compiled.compose.Composition` says what they are."""
    words, rows = window.words, len(window.input_ids)
    slots = _rounded(words + SPARE + 1)
    padding = 1, _rounded(rows + 1) - rows - 1
    first = window.word != np.concatenate(([-1], window.word[:-1]))
    first[-1] = False  # SEP
    positions = np.arange(rows)
    before = np.arange(-1, slots - 1, dtype=np.int32)
    before[0] = words  # an empty slot
    alive = np.zeros((1, 1, slots), dtype=np.float32)
    alive[..., :words] = 1
    bias = np.zeros(slots + 1, dtype=np.float32)
    bias[-2] = MASKED

    def padded(values: np.ndarray, value: int = 0) -> np.ndarray:
        return np.pad(values.astype(np.int32), padding, constant_values=value)

    return {
        "input_ids": padded(window.input_ids)[None],
        "position_ids": padded(position_ids(window.input_ids, positions, (rows,), first_position))[None],
        "position": padded(positions)[None],
        "word": padded(np.where(window.word < 0, slots, window.word), slots - 1),
        "target": padded(np.where(first, window.word, slots - 1), slots - 1),
        "bias": bias,
        "before": before,
        "alive": alive,
        "count": np.full((1, 1, 1), words, dtype=np.float32),
        "unlabelled": np.zeros((1, slots, labels), dtype=np.float32),
        "zeros": np.zeros(slots + 1, dtype=np.float32),
    }


def _rounded(count: int) -> int:
    """The next multiple of `STEP`."""
    return -(-count // STEP) * STEP


def least(min_exit_ratio: float, words: int) -> int:
    """The smallest number of words whose share of a window's words is at least ``min_exit_ratio``."""
    found = max(int(min_exit_ratio * words) - 1, 0)
    while found / words < min_exit_ratio:
        found += 1
    return found


def position_ids(
    input_ids: np.ndarray, position: np.ndarray, lengths: Sequence[int], first_position: int
) -> np.ndarray:
    """Indices into a position table, int64 ``(rows,)``, of windows with these numbers of rows.

    If positions start after the padding token's id, a padding token that occurs in the text is not counted and has
    that id as its position, as in Hugging Face's models.
    """
    if not first_position:
        return position
    padding = first_position - 1
    skipped = (input_ids == padding).cumsum()
    rows = np.array([length for length in lengths if length])
    skipped -= np.repeat(skipped[rows.cumsum() - rows], rows)  # no window begins with a padding token
    return np.where(input_ids == padding, padding, position - skipped + first_position)
