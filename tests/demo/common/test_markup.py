"""Text is escaped; labels and words are put into plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.common.markup import describe_word, escape, label_name, printable

TEXT = "Famotidine-associated delirium."


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


@pytest.mark.parametrize(
    ("strategy", "depth"), [("dense", "went through every layer"), ("truncate-1", "exited after layer 1")]
)
def test_words_say_how_far_they_went(engine, strategy, depth):
    for word in engine.tag(TEXT, strategy).trace.words:
        assert describe_word(word).startswith(f"{depth}, labelled {label_name(word.label)} with probability")


def test_lone_surrogates_are_replaced_one_for_one():
    assert printable("a\ud800b") == "a\ufffdb"
