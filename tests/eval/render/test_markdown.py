"""The explanations of a table mention rows that are there, and no others."""

import pytest

from eval.render.markdown import KINDS_READING, READING, reading
from eval.schema import BASELINE, HF, MODEL, RANDOM


@pytest.mark.parametrize("kinds", [(), (RANDOM,), (HF, BASELINE), (RANDOM, HF, BASELINE, MODEL)])
def test_each_kind_of_rows_is_explained_where_it_is_there(kinds):
    text = reading([{"kind": kind} for kind in ("dense", "entropy", *kinds)])
    assert text.startswith(READING)
    assert [kind for kind, words in KINDS_READING.items() if words in text] == list(kinds)
    for name in ("random", "hf"):
        assert (f"`{name}`" in text) == (name in kinds)
