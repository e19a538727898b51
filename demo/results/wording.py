"""Parts of a result in plain words."""

from __future__ import annotations

import re

from engine.inspection.trace import WordTrace

_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with lone surrogates, which JSON cannot carry, replaced one for one, so that offsets still hold."""
    return _SURROGATES.sub("\ufffd", text)


def label_name(label: str) -> str:
    """An IOB2 label in words: ``outside``, ``begin Chemical``, ``inside Chemical``."""
    prefix, _, type_ = label.partition("-")
    return {"O": "outside", "B": f"begin {type_}", "I": f"inside {type_}"}[prefix]


def describe(word: WordTrace) -> str:
    """How far a word was computed, and its label."""
    return f"{depth(word)}, labelled {label_name(word.label)} with probability {word.probability:.1%}"


def depth(word: WordTrace) -> str:
    """How far a word was computed."""
    if word.state == "kept":
        return "went through every layer"
    left = f"left after layer {word.layer}"
    return f"{left} and came back" if word.state == "recovered" else left
