"""Splits texts into words, the units that are pruned, labelled and scored."""

import re
import unicodedata
from itertools import chain

# Combining marks and invisible characters, such as soft hyphens, belong to the word before them, if there is one. Most
# encoders drop them, so that each would be an unknown word on its own.
_PLANES = (range(0x20000), range(0xE0000, 0xE1000))  # no other planes have any
_JOINING = "".join(c for c in map(chr, chain(*_PLANES)) if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf"))
# Runs of more than 100 characters are not language; cutting them makes every word fit into an encoder's window.
_WORD = re.compile(rf"\w[\w{_JOINING}]{{0,99}}|[^\w\s{_JOINING}][{_JOINING}]{{0,99}}")
_ASCII_WORD = re.compile(r"\w{1,100}|[^\w\s]")  # finds the same in ASCII, which has no such marks, ten times as fast

Span = tuple[int, int]


def split_words(text: str) -> list[Span]:
    """Character spans of the words: up to 100 ``\\w`` or one other non-space, with the marks that follow."""
    return [match.span() for match in _pattern(text).finditer(text)]


def words_of(text: str) -> list[str]:
    return _pattern(text).findall(text)


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _WORD
