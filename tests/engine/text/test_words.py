from hypothesis import given
from hypothesis import strategies as st

from engine.text.words import split_words


def test_words_are_runs_of_word_characters_or_single_other_characters():
    text = "5-FU (α‑tocopherol),\n2.5 mg"
    assert [text[a:b] for a, b in split_words(text)] == [
        *("5", "-", "FU", "(", "α", "‑", "tocopherol", ")", ",", "2", ".", "5", "mg")
    ]


def test_what_joins_belongs_to_the_word_before_it_and_alone_is_a_word():
    text = "Sjo\u0308gren hypo\u00adtension a\u200bb \u0301x"
    assert [text[a:b] for a, b in split_words(text)] == [
        *("Sjo\u0308gren", "hypo\u00adtension", "a\u200bb", "\u0301", "x")
    ]


@given(st.text())
def test_words_cover_every_character_that_is_not_blank(text):
    covered = "".join(text[a:b] for a, b in split_words(text))
    assert covered == "".join(character for character in text if not character.isspace())


def test_a_run_without_end_is_cut_so_that_it_fits_a_window():
    assert [end - start for start, end in split_words("a" * 250)] == [100, 100, 50]
    assert [end - start for start, end in split_words("a" + "\u0301" * 99 + "b")] == [100, 1]
