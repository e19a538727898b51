"""Words: the units into which a text is cut, and which are pruned, labelled and scored."""

from __future__ import annotations

import re

# Runs of 100 characters and more are not language: cutting them keeps any word within an encoder's window.
_WORD = re.compile(r"\w{1,100}|[^\w\s]")

Span = tuple[int, int]


def split_words(text: str) -> list[Span]:
    """Character spans of the words: matches of ``\\w+`` (cut every 100 characters) or one other non-space."""
    return [match.span() for match in _WORD.finditer(text)]


def words_of(text: str) -> list[str]:
    """The words themselves, in order."""
    return _WORD.findall(text)
