"""Text is escaped; labels are put into plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.common.markup import escape, label_name


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_neither_markup_nor_templates_survive(text):
    escaped = escape(text)
    assert not set("<>\"'${}`\\") & set(escaped)
    escaped.encode()


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("O", "no entity"),
        ("B-Chemical", "begin Chemical"),
        ("I-Chemical", "inside Chemical"),
        ("L-Chemical", "end Chemical"),
        ("U-Chemical", "single Chemical"),
        ("Chemical", "inside Chemical"),
    ],
)
def test_labels_of_every_scheme_have_a_name(label, name):
    assert label_name(label) == name
