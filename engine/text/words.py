"""Splits texts into words, the units that are pruned, labelled and scored.

They are the words of BERT's tokenizer, which its word pieces depend on: it splits at blanks, at each punctuation
mark and at each Chinese character. Control characters, which it drops, are blanks here. Its punctuation is Unicode's
and every ASCII character but letters and digits, with an accent or without; other symbols are like letters. Characters
that it drops, such as combining accents and soft hyphens, belong to the word before them, if there is one, and alone
are no word.
"""

import re
import string
import unicodedata

_BLANK, _LETTER, _SINGLE, _DROPPED = " ", "a", ".", "'"
# Runs of more than 100 characters are not language; cutting them makes every word fit into an encoder's window.
_WORD = re.compile(f"{_LETTER}[{_LETTER}{_DROPPED}]{{0,99}}|[{_SINGLE}]{_DROPPED}{{0,99}}")

Span = tuple[int, int]


class _Kinds(dict[int, str]):
    """The kind of each character, by its number, for `str.translate`."""

    def __missing__(self, number: int) -> str:
        self[number] = kind = _kind(chr(number))
        return kind


_KINDS = _Kinds()


def split_words(text: str) -> list[Span]:
    """Character spans of the words, of up to 100 characters each."""
    return [match.span() for match in _WORD.finditer(text.translate(_KINDS))]


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace() or category == "Cc":
        return _BLANK
    if category in ("Mn", "Cf", "Co", "Cs") or character == "\ufffd":
        return _DROPPED
    is_chinese = category == "Lo" and unicodedata.name(character, "").startswith("CJK ")
    without_accent = unicodedata.normalize("NFD", character)[0]
    is_single = category[0] == "P" or without_accent in string.punctuation or is_chinese
    return _SINGLE if is_single else _LETTER
