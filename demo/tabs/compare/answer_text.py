"""The answer above the tabs after a run: how fast each strategy was, and which entities changed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from demo.common.differences import CHANGED, LOST, NEW, SAME
from demo.common.markup import escape, number_of, term
from demo.common.requests import answer
from demo.settings import with_settings
from demo.tabs.compare.comparison import ComparedStrategy

NAMED = 5  # entities of one kind
LEAST_WORDS, ENGLISH_SHARE = 12, 0.06  # of very frequent words, which make up a fifth of an abstract
_ENGLISH = re.compile("a|and|are|as|at|by|for|from|in|is|of|on|or|that|the|this|to|was|were|with")
_LETTERS = re.compile(r"[^\W\d_]+")


def language_remark(text: str) -> str:
    """A remark on a text that looks like another language than English; empty if it does not."""
    words = _LETTERS.findall(text.lower())
    english = sum(_ENGLISH.fullmatch(word) is not None for word in words)
    if len(words) < LEAST_WORDS or english >= ENGLISH_SHARE * len(words):
        return ""
    return "This does not look like English: a model trained on English texts finds little here, or guesses."


def answer_run(
    text: str, compared: Sequence[ComparedStrategy], *, timing: bool, remarks: Sequence[str] = (), average: str = ""
) -> str:
    """The answer with a line for each strategy but dense.

    ``compared``: dense first. ``timing``: whether more runs follow. ``remarks``: e.g. on what was left out; empty ones
    are not shown. ``average``: what to expect of other texts; a phone has no room for it.
    """
    lines = "".join(_line(one, compared) for one in compared if not one.is_reference) or _line(compared[0], compared)
    more = "".join(f"<p>{escape(remark)}</p>" for remark in remarks if remark)
    more += f'<p class="average">{escape(average)}</p>' if average else ""
    return answer("timing" if timing else "done", lines + more, text)


def _line(one: ComparedStrategy, compared: Sequence[ComparedStrategy]) -> str:
    name = with_settings(f"<code>{escape(one.label_among(compared))}</code>", escape(one.settings))
    ms, ratio = f"{one.timing.latency_ms:.0f} ms", f"{one.speedup:.2f}×"
    if one.is_reference:
        return f"<p>{name}: {ms}, {_entities(len(one.result.entities))}.</p>"
    if one.sure:
        ms, ratio = f"<strong>{ms}</strong>", f"<strong>{ratio}</strong>"
    dense = term("dense") + (escape(one.of_reference) or '<span class="dtype"> in the same dtype</span>')
    return (
        f"<p>{name}: {ms}, {one.speed_in_words(dense, ratio)}; "
        f"{_changes(one, here=one.model == compared[0].model)}; "
        f"{one.result.cost.token_layers_kept:.0%} of the {term('computation kept', 'computation')}.</p>"
    )


def _changes(one: ComparedStrategy, *, here: bool) -> str:
    """Names the entities that are not as in dense; ``here``: whether the page can show the strategy's words."""
    same = len(one.of_kind(SAME))
    changed = [
        f"{len(found)} {kind}: {_names(one, kind, here=here)}"
        for kind in (LOST, NEW, CHANGED)
        if (found := one.of_kind(kind))
    ]
    if not changed:
        return f"the same {_entities(same)}" if same else "no entities, like dense"
    return "; ".join([*changed, f"{same} the same"])


def _names(one: ComparedStrategy, kind: str, *, here: bool) -> str:
    found = one.of_kind(kind)
    names = [
        f'<button type="button" class="to-word {kind}" data-word="{each.word}" data-strategy="{escape(one.name)}">'
        f"{escape(each.entity.text)}</button>"
        if here
        else f"<em>{escape(each.entity.text)}</em>"
        for each in found[:NAMED]
    ]
    return ", ".join(names) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _entities(number: int) -> str:
    return number_of(number, "entity", "entities") if number else "no entities"
