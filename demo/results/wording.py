"""Parts of a result in plain words."""

from __future__ import annotations

import re

from engine.inspection.trace import WordTrace
from engine.text.labels import label_parts

_PREFIXES = {"O": "no entity", "B": "begin", "I": "inside", "E": "end", "S": "single"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with lone surrogates, which JSON cannot carry, replaced one for one to keep offsets valid."""
    return _SURROGATES.sub("\ufffd", text)


def label_name(label: str) -> str:
    """A label in words: ``no entity``, ``begin Chemical``, ``end Chemical``, ``single Chemical``."""
    prefix, type_ = label_parts(label)
    return f"{_PREFIXES[prefix]} {type_}".rstrip()


def describe(word: WordTrace) -> str:
    """How far a word was computed, and its label."""
    return f"{depth(word)}, labelled {label_name(word.label)} with probability {word.probability:.1%}"


def depth(word: WordTrace) -> str:
    """How far a word was computed."""
    if word.state == "kept":
        return "went through every layer"
    left = f"left after layer {word.layer}"
    return f"{left} and came back" if word.state == "recovered" else left
