"""Finds the abbreviations that a text defines, with the offsets of both forms, after Schwartz and Hearst 2003."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.text.words import Span

_PARENTHESES = re.compile(r"\(([^()]*)\)")
LONGEST = 1_000  # characters of a long form, so that no text takes quadratic time
_CUT = re.compile(r"[;,]\s")  # what follows is no part of the form: (COPD; n = 12)


@dataclass(frozen=True)
class Abbreviation:
    """A short form and its long form where the text defines it, as character spans."""

    short: Span
    long: Span


def find_abbreviations(text: str, breaks: Sequence[int] = ()) -> list[Abbreviation]:
    """The abbreviations defined in a text, in order: ``tardive dyskinesia (TD)`` or ``TD (tardive dyskinesia)``.

    The algorithm is that of Schwartz and Hearst, *A simple algorithm for identifying abbreviation definitions in
    biomedical text* (PSB 2003): the characters of the short form are looked for in the long form, from right to left.
    A long form before its short form is looked for in the same passage; passages end at the ``breaks``.
    """
    found = []
    for match in _PARENTHESES.finditer(text):
        nearest = max(0, match.start() - LONGEST)
        before = _trimmed(text, nearest, match.start())[1]
        inside = _trimmed(text, match.start(1), match.end(1))
        first = _trimmed(text, inside[0], inside[0] + len(_CUT.split(text[slice(*inside)], maxsplit=1)[0]))
        if _is_short_form(text[slice(*first)]):
            passage = max((at for at in breaks if at < before), default=0)
            short, candidate = first, _trimmed(text, max(passage, nearest), before)
        else:
            short, candidate = (max(nearest, text.rfind(" ", nearest, before) + 1), before), inside
        long = _long_form(text, short, candidate) if _is_short_form(text[slice(*short)]) else None
        if long:
            found.append(Abbreviation(short, long))
    return found


def _trimmed(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _is_short_form(text: str) -> bool:
    """Two to ten characters, at most two words, a letter among them, beginning with a letter or digit."""
    return 2 <= len(text) <= 10 and len(text.split()) <= 2 and text[0].isalnum() and any(map(str.isalpha, text))


def _long_form(text: str, short_at: Span, candidate: Span) -> Span | None:
    """The shortest end of the candidate that spells the short form; its first character begins a word."""
    short, (begin, end) = text[slice(*short_at)], candidate
    at = end
    for index in range(len(short) - 1, -1, -1):
        if not (wanted := short[index]).isalnum():
            continue
        at -= 1
        while at >= begin and (
            text[at].lower() != wanted.lower() or (index == 0 and at > begin and text[at - 1].isalnum())
        ):
            at -= 1
        if at < begin:
            return None
    start = max(begin, text.rfind(" ", begin, at + 1) + 1)
    words = text[start:end].split()
    most = min(len(short) + 5, 2 * len(short))
    return (start, end) if end - start > len(short) and len(words) <= most and short not in words else None
