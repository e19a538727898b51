import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.text.words import split_words


def test_words_are_runs_of_word_characters_or_single_other_characters():
    text = "5-FU (α‑tocopherol),\n2.5 mg"
    assert [text[a:b] for a, b in split_words(text)] == [
        *("5", "-", "FU", "(", "α", "‑", "tocopherol", ")", ",", "2", ".", "5", "mg")
    ]


def test_what_joins_belongs_to_the_word_before_it_and_alone_is_a_word():
    words = ["Sjo\u0308gren", "hypo\u00adtension", "a\u200bb", "\u0301", "x"]
    words += ["葛\U000e0100飾", "\U00011107\U00011127\U00011101", "a\u20ddb"]  # beyond the BMP, and around a letter
    text = f"{' '.join(words[:4])}{' '.join(words[4:])}"
    assert [text[a:b] for a, b in split_words(text)] == words


def test_all_marks_and_invisible_characters_join():
    joining = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf")]
    assert all(len(split_words(f"a{c}b")) == 1 for c in joining)


@given(st.text())
def test_words_cover_every_character_that_is_not_blank(text):
    covered = "".join(text[a:b] for a, b in split_words(text))
    assert covered == "".join(character for character in text if not character.isspace())


def test_a_run_without_end_is_cut_so_that_it_fits_a_window():
    assert [end - start for start, end in split_words("a" * 250)] == [100, 100, 50]
    assert [end - start for start, end in split_words("a" + "\u0301" * 99 + "b")] == [100, 1]
