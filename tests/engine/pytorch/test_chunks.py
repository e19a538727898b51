"""Word numbers of windows, batches and texts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.pytorch.chunks import by_text, chunks
from engine.text.windows import Window, WordPieces

TEXTS = st.lists(st.lists(st.integers(1, 4), max_size=40), max_size=5)


def windows_of(texts: list[list[int]], capacity: int = 8) -> list[list[Window]]:
    """Real windows over texts with these piece counts per word."""
    cutter = WordPieces.__new__(WordPieces)
    cutter.cls_id, cutter.sep_id, cutter.capacity = 1, 2, capacity
    cutter.pieces = lambda counts: (np.arange(sum(counts)), np.repeat(np.arange(len(counts)), counts))
    return [cutter.windows(text) for text in texts]


@given(TEXTS, st.sampled_from([10, 25]))
def test_every_word_gets_the_row_of_the_window_that_labels_it(texts, max_rows):
    windows = windows_of(texts)
    found = []
    for chunk in chunks(windows, max_rows):
        rows = np.concatenate(
            [slot.text * 1000 + np.arange(slot.window.words) + slot.window.first for slot in chunk.slots]
        )
        found += ((slot, rows) for slot in chunk.slots)
    for number, (text, slots) in enumerate(zip(texts, by_text(found, len(texts)), strict=True)):
        own = [row for slot, rows in slots for row in rows[slot.own].tolist()]
        assert own == [number * 1000 + word for word in range(len(text))]


@given(TEXTS, st.integers(1, 4))
def test_chunks_hold_every_window_once_in_about_as_many_rows_each(texts, multiple_of):
    windows = windows_of(texts)
    longest = max((len(window.input_ids) for of_text in windows for window in of_text), default=0)
    seen = []
    for chunk in chunks(windows, 25, multiple_of):
        assert len(chunk.batch) <= 25 + longest
        assert [slot.index for slot in chunk.slots] == list(range(len(chunk.batch.lengths)))
        seen += [(slot.text, slot.window.first) for slot in chunk.slots]
    assert sorted(seen) == [(text, window.first) for text, of_text in enumerate(windows) for window in of_text]


def test_where_chunks_run_at_once_there_are_enough_for_all_threads():
    windows = windows_of([[1] * 6] * 12)
    rows = sum(len(window.input_ids) for of_text in windows for window in of_text)
    assert [len(list(chunks(windows, rows, threads))) for threads in (1, 2, 4)] == [1, 2, 4]
    assert len(list(chunks(windows[:3], rows, 4))) == 1, "fewer windows run together, with all threads"
    short_and_long = windows_of([[1] * 6, [1] * 6, [1] * 6, [1] * 300], capacity=400)
    assert len(list(chunks(short_and_long, 2048, 4))) == 1, "three threads would wait for the long one"
    assert len(list(chunks(short_and_long, 50, 4))) == 4, "and no batch is skipped"
