"""Padded groups hold every row that a layer computes once, among the rows that it sees."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.model.packing import RaggedBatch
from engine.model.padding import MAX_PADDING, STEP, group_by_length, pad_windows
from tests.engine.model.test_packing import window

LENGTHS = st.lists(st.integers(0, 90), max_size=12)


@given(LENGTHS)
def test_windows_with_rows_are_in_one_group_with_others_of_like_length(lengths):
    found = group_by_length(lengths)
    numbers = sorted(number for group in found for number in group.tolist())
    assert numbers == [number for number, length in enumerate(lengths) if length]
    for group in found:
        assert max(lengths[n] for n in group) - min(lengths[n] for n in group) <= MAX_PADDING


WINDOWS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=20), min_size=1, max_size=6)


@given(WINDOWS, st.randoms())
def test_every_row_is_computed_once_beside_its_window(windows, random):
    batch = RaggedBatch.from_windows([window(pieces) for pieces in windows])
    alive = np.array([random.random() < 0.6 for _ in range(len(batch.words))])
    assume(alive.any())
    batch, _ = batch.keep(alive)
    own, found = batch.window_of_rows(), pad_windows(batch)
    numbers = np.arange(len(batch))
    assert found.unpad(found.pad(numbers[:, None]))[:, 0].tolist() == numbers.tolist()
    for rows in found.split(found.index):
        assert rows.shape[1] % STEP == 0
        assert (own[rows] == own[rows[:, :1]]).all()
    real = found.position >= 0
    assert sorted(found.index[real].tolist()) == numbers.tolist()
    assert (found.position[real] == batch.position[found.index[real]]).all()
