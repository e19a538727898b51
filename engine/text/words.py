"""Words: the units into which a text is cut, and which are pruned, labelled and scored."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain

# Combining marks and invisible characters, such as soft hyphens, belong to the word before them, and to none where no
# word precedes: most encoders drop them, so that alone each would be an unknown word.
_PLANES = (range(0x20000), range(0xE0000, 0xE1000))  # no other planes have any
_JOINING = "".join(c for c in map(chr, chain(*_PLANES)) if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf"))
# Runs of 100 characters and more are not language: cutting them keeps any word within an encoder's window.
_WORD = re.compile(rf"\w[\w{_JOINING}]{{0,99}}|[^\w\s{_JOINING}][{_JOINING}]{{0,99}}")

Span = tuple[int, int]


def split_words(text: str) -> list[Span]:
    """Character spans of the words: runs of ``\\w`` (cut every 100) or one other non-space, each with what joins it."""
    return [match.span() for match in _WORD.finditer(text)]


def words_of(text: str) -> list[str]:
    """The words themselves, in order."""
    return _WORD.findall(text)
