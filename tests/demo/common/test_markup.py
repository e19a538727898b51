"""Text is escaped, terms are explained where the page uses them, results are put into plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.common.compared import Compared
from demo.common.inputs import HELP
from demo.common.intro import Headline, headline_markup, how_it_works
from demo.common.markup import TERMS, alert, depth, describe, escape, label_name, note, printable, term
from demo.common.timing import Measured
from demo.tabs.compare.cards import card
from engine import Engine, load_engine

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


@given(text=any_text)
def test_neither_markup_nor_templates_survive(text: str) -> None:
    escaped = escape(text)
    assert not set("<>\"'${}`\\") & set(escaped)
    escaped.encode()


def test_messages_are_text() -> None:
    for message in (alert("<b>${x}</b>"), note("<b>${x}</b>")):
        assert "<b>" not in message
        assert "${" not in message


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
    assert describe(word).startswith(f"exited after layer 1, labelled {label_name(word.label)} with probability")


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    assert printable("a\ud800b") == "a\ufffdb"


def test_every_term_is_explained_somewhere(engine: Engine) -> None:
    dense = Measured(engine.tag("Famotidine.", "dense"), (1.0,))
    headline = Headline("r", "entropy", "dense", 2.0, 2.0, "CPU", "BC5CDR", 0.1, -0.1, 0.2, False)
    page = HELP + headline_markup(headline, how_it_works(load_engine()), "", {}) + card(Compared("m", "", dense, dense))
    assert [name for name, explanation in TERMS.items() if explanation not in page] == []


def test_a_term_is_a_button_so_that_keyboard_and_touch_reach_it() -> None:
    assert term("gate", "Gates").startswith('<button type="button" class="term">Gates<span class="tip" role="tooltip">')
