import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.text.words import split_words


def joins(character):
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")


def test_words_are_runs_of_up_to_100_word_characters_or_single_other_characters():
    text = "5-FU (α‑tocopherol),\n2.5 mg"
    assert " ".join(text[a:b] for a, b in split_words(text)) == "5 - FU ( α ‑ tocopherol ) , 2 . 5 mg"
    assert [end - start for start, end in split_words("a" * 250)] == [100, 100, 50]
    assert [end - start for start, end in split_words("a" + "\u0301" * 150 + "b")] == [100, 1]


def test_marks_and_invisible_characters_belong_to_the_word_before_them_and_alone_are_no_word():
    words = ["Sjo\u0308gren", "hypo\u00adtension", "a\u200bb", "x", "=\u0338", "👩\u200d", "⚕\ufe0f"]
    words += ["葛\U000e0100飾", "\U00011107\U00011127\U00011101", "a\u20ddb"]  # beyond the BMP, and around a letter
    text = f"\u0301{' '.join(words[:4])} \u00ad \u0301\u200b {' '.join(words[4:])}"
    assert [text[a:b] for a, b in split_words(text)] == words
    joining = [c for c in map(chr, range(sys.maxunicode + 1)) if joins(c)]
    assert all(len(split_words(f"a{c}b")) == 1 for c in joining)


@given(st.text())
def test_words_cover_every_character_that_is_not_blank_and_does_not_join(text):
    covered = "".join(text[a:b] for a, b in split_words(text))
    assert [c for c in covered if not joins(c)] == [c for c in text if not (c.isspace() or joins(c))]


@given(st.text(st.characters(codec="ascii")))
def test_ascii_texts_have_the_same_words_as_if_a_mark_stood_elsewhere(text):
    assert split_words(f"{text} é")[:-1] == split_words(text)
