"""Padded groups hold every row that a layer computes once, among the rows that it sees."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.model.packing import RaggedBatch
from engine.model.padding import STEP, WORTH, alike, groups
from tests.engine.model.test_packing import window

LENGTHS = st.lists(st.integers(0, 90), max_size=12)


@given(LENGTHS)
def test_windows_with_rows_are_in_one_group_with_others_of_like_length(lengths):
    found = alike(lengths)
    numbers = sorted(number for group in found for number in group.tolist())
    assert numbers == [number for number, length in enumerate(lengths) if length]
    for group in found:
        assert max(lengths[n] for n in group) - min(lengths[n] for n in group) <= WORTH


@given(
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=20), min_size=1, max_size=6), st.randoms(), st.booleans()
)
def test_every_row_is_computed_once_and_sees_its_window(windows, random, freeze):
    batch = RaggedBatch.from_windows([window(pieces) for pieces in windows])
    alive = np.array([random.random() < 0.6 for _ in range(len(batch.words))])
    batch, _ = batch.freeze(alive) if freeze else batch.keep(alive)
    own = batch.window_of_rows()
    computed: list[int] = []
    for group in groups(batch):
        computed += group.active[group.computed].tolist()
        assert group.active.shape[1] % STEP == group.visible.shape[1] % STEP == 0
        for active, visible, position in zip(group.active, group.visible, group.visible_position, strict=True):
            (number,) = set(own[active].tolist()) | set(own[visible].tolist())
            assert sorted(visible[position >= 0].tolist()) == np.flatnonzero(own == number).tolist()
            assert (position[position >= 0] == batch.position[visible[position >= 0]]).all()
    expected = range(len(batch)) if batch.active is None else batch.active.tolist()
    assert sorted(computed) == list(expected)
