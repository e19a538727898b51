import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from engine.text.words import split_words, words_of


def is_dropped(character):
    return unicodedata.category(character) in ("Mn", "Cf", "Co", "Cs") or character == "\ufffd"


def is_blank(character):
    return character.isspace() or unicodedata.category(character) == "Cc"


def words_of_bert(text):
    """Words as BERT's tokenizer makes them of a text: its characters in lower case and without accents."""
    words = BertPreTokenizer().pre_tokenize_str(BertNormalizer().normalize_str(text))
    return [word for word, _ in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5-FU (α‑tocopherol),\n2.5 mg", "5 - FU ( α ‑ tocopherol ) , 2 . 5 mg"),
        ("aspirin_sodium p<0.05 a^b $5", "aspirin _ sodium p < 0 . 05 a ^ b $ 5"),  # all of ASCII
        ("Parkinson's disease™ 37°C Ca²⁺", "Parkinson ' s disease™ 37°C Ca²⁺"),  # no other symbol
        ("TNF-α→IL-6 5±2 p≠1", "TNF - α→IL - 6 5±2 p ≠ 1"),  # but = with a stroke
        ("阿司匹林aspirin かな 한국어", "阿 司 匹 林 aspirin かな 한국어"),
    ],
)
def test_a_text_is_split_at_punctuation_and_chinese_characters(text, words):
    assert " ".join(words_of(text)) == words


def test_a_word_has_at_most_100_characters():
    assert [end - start for start, end in split_words("a" * 250)] == [100, 100, 50]
    assert [end - start for start, end in split_words("a" + "\u0301" * 150 + "b")] == [100, 1]


def test_what_bert_drops_belongs_to_the_word_before_it_and_alone_is_no_word():
    words = ["Sjo\u0308gren", "hypo\u00adtension", "a\u200bb", "x", "=\u0338", "👩\u200d⚕\ufe0f"]
    words += ["na\ufffdve", "葛\U000e0100", "\U00011107\U00011127\U00011101", "a\u20ddb", "a\ue000b"]
    text = f"\u0301{' '.join(words[:4])} \u00ad \u0301\u200b {' '.join(words[4:])}"
    assert words_of(text) == words


@pytest.mark.parametrize("control", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9f"])
def test_control_characters_end_words_as_blanks_do(control):
    assert split_words(f"{control}aspirin{control}causes{control}") == [(1, 8), (9, 15)]


@given(st.text())
def test_words_cover_every_character_that_is_neither_blank_nor_dropped(text):
    covered = "".join(words_of(text))
    assert [c for c in covered if not is_dropped(c)] == [c for c in text if not (is_blank(c) or is_dropped(c))]


# Of scripts that have not grown since the Unicode that BERT's tokenizer knows.
LETTERS = st.characters(max_codepoint=0x5FF, exclude_categories=["Cn"])
SYMBOLS = st.characters(min_codepoint=0x2000, max_codepoint=0x2BFF, exclude_categories=["Cn"])
EASTERN = st.characters(min_codepoint=0x3000, max_codepoint=0x9FFF, exclude_categories=["Cn"])


@given(st.text(LETTERS | SYMBOLS | EASTERN, max_size=60))
def test_words_are_those_of_berts_tokenizer(text):
    text = "".join(" " if is_blank(c) else c for c in text)  # it drops control characters, form feeds among them
    ours = [BertNormalizer().normalize_str(word).strip() for word in words_of(text)]
    assert ours == words_of_bert(text)
