"""Results in plain words, for every label scheme."""

from __future__ import annotations

import pytest

from demo.common.markup import depth, describe, label_name, printable
from engine import Engine

TEXT = "Famotidine-associated delirium."


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
def test_labels_of_every_scheme_have_a_name(label: str, name: str) -> None:
    assert label_name(label) == name


def test_words_say_how_far_they_went(engine: Engine) -> None:
    assert {depth(word) for word in engine.tag(TEXT, "dense").trace.words} == {"went through every layer"}
    (word, *_) = engine.tag(TEXT, "truncate-1").trace.words
    assert describe(word).startswith(f"left after layer 1, labelled {label_name(word.label)} with probability")


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    assert printable("a\ud800b") == "a\ufffdb"
