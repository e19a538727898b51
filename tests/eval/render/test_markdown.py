"""The explanations of a table mention only rows that are present."""

import pytest

from eval.render.markdown import KINDS_READING, READING, code, reading
from eval.schema import BASELINE, HF, MODEL, RANDOM


@pytest.mark.parametrize("kinds", [(), (RANDOM,), (HF, BASELINE), (RANDOM, HF, BASELINE, MODEL)])
def test_each_kind_of_rows_is_explained_where_it_is_there(kinds):
    rows = [{"kind": kind, "batch_size": 1, "timed_documents": 150} for kind in ("dense", "entropy", *kinds)]
    text = reading(rows)
    assert text.startswith(READING)
    assert [kind for kind, words in KINDS_READING.items() if words in text] == list(kinds)
    for name in ("random", "hf"):
        assert (f"`{name}`" in text) == (name in kinds)


def test_intervals_over_few_batches_are_said_to_be_narrow():
    rows = [{"kind": "dense", "batch_size": size, "timed_documents": 150} for size in (1, 32, 64)]
    # Over three batches of 64 there is no interval.
    assert reading(rows).endswith("Intervals over few batches are too narrow; there are 5 batches of 32.")


def test_code_holds_backticks():
    assert code("a  b") == "`a b`"
    assert code("`rows` at ``a`` time") == "``` `rows` at ``a`` time ```"
