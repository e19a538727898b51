import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.pytorch.packing import RaggedBatch
from engine.text.windows import Window


def window(pieces: list[int], offset: int = 10) -> Window:
    """A window with these piece counts per word."""
    word = np.repeat(np.arange(len(pieces)), pieces)
    return Window(
        input_ids=np.concatenate(([2], offset + np.arange(len(word)), [3])),
        word=np.concatenate(([-1], word, [-1])),
        first=0,
        num_words=len(pieces),
        own=0,
        own_end=len(pieces),
    )


PIECES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=5)


@given(pieces=PIECES, data=st.data())
def test_keeping_words_keeps_exactly_their_rows_and_all_specials(pieces, data):
    batch = RaggedBatch.from_windows([window(p, offset=100 * i) for i, p in enumerate(pieces)])
    words = len(batch.words)
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=words, max_size=words)))
    kept, rows = batch.keep(alive)
    assert rows.tolist() == [row for row, word in enumerate(batch.word.tolist()) if word < 0 or alive[word]]
    for name in ("input_ids", "position", "word", "first"):
        assert getattr(kept, name).tolist() == getattr(batch, name)[rows].tolist()
    windows = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
    assert list(kept.lengths) == np.bincount(windows[rows]).tolist()
