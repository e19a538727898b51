"""The result card above the tabs: how much less computation, which entities changed, and in what time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from demo.common.differences import CHANGED, KINDS, LOST, NEW, SAME, Compared
from demo.common.markup import cells, escape, number_of, percent, table, term
from demo.common.requests import answer
from demo.common.timing import FEW, Range, middle, speedup

BARS = 3  # most strategies with a bar each; more are a table
NAMED = 5  # entities of one kind
LEAST_WORDS, ENGLISH_SHARE = 12, 0.06  # of very frequent words, which make up a fifth of an abstract
MORE = '<button type="button" class="more-times">Also time float32 and the Hugging Face pipeline</button>'
_ENGLISH = re.compile("a|and|are|as|at|by|for|from|in|is|of|on|or|that|the|this|to|was|were|with")
_LETTERS = re.compile(r"[^\W\d_]+")


def language_remark(text: str) -> str:
    """A remark on a text that looks like another language than English; empty if it does not."""
    words = _LETTERS.findall(text.lower())
    english = sum(_ENGLISH.fullmatch(word) is not None for word in words)
    if len(words) < LEAST_WORDS or english >= ENGLISH_SHARE * len(words):
        return ""
    return "This does not look like English: a model trained on English texts finds little here, or guesses."


def card(text: str, compared: Sequence[Compared], *, timing: bool, remarks: Sequence[str] = ()) -> str:
    """The card of a run.

    ``compared``: dense first; the last one is that of the headline. ``timing``: whether its times are still measured.
    ``remarks``: e.g. on what was left out; empty ones are not shown.
    """
    one = compared[-1]
    body = f'<p class="headline">{headline(one)}</p>'
    body += _bars(compared) if len(compared) <= BARS else summary(compared)
    body += "".join(_read(other) for other in compared if other.result.judgement)
    body += "".join(_changes(other) for other in compared if other.unlike)
    body += f'<p class="time">{"Measuring times…" if timing else _times(compared)}</p>'
    body += "".join(f"<p>{escape(remark)}</p>" for remark in remarks if remark)
    return answer("timing" if timing else "done", body, text)


def headline(one: Compared) -> str:
    """What is deterministic: how much less is computed than by dense, and what became of the entities."""
    entities, same = len(one.result.entities), len(one.of_kind(SAME))
    if one.is_dense:
        return f"<strong>{_entities(entities)}</strong>"
    change = f"{percent(1 - one.kept)} less" if one.kept <= 1 else f"{percent(one.kept - 1)} more"
    less = f"<strong>{change} {term('computation')}</strong>"
    if one.unlike:
        changes = ", ".join(f"{len(of)} {kind}" for kind in (LOST, NEW, CHANGED) if (of := one.of_kind(kind)))
        return f"{less} · {same} of {_entities(len(one.dense.result.entities))} the same, {changes}"
    return f"{less} · " + (f"same {_entities(same)}" if same else "no entities, like the full pass")


def _bars(compared: Sequence[Compared]) -> str:
    if len(compared) < 2:
        return ""
    bars = "".join(
        f'<div><code>{escape(one.label)}</code><span class="track"><i style="width:{100 * one.kept:.1f}%"></i></span>'
        f"<span>{percent(one.kept)}</span></div>"
        for one in compared
    )
    return f'<div class="computation" role="group" aria-label="Computation of each strategy">{bars}</div>'


def summary(compared: Sequence[Compared]) -> str:
    """A table with a row for each strategy."""
    heads = ("strategy", "computation", *KINDS, "ms", "times as fast")
    return table("Summary", "summary", heads, map(_row, compared))


def _row(one: Compared) -> str:
    timed = len(one.timing.runs_ms) > 1
    figures = [
        percent(one.kept),
        *("–" if one.is_dense else len(one.of_kind(kind)) for kind in KINDS),
        span(middle(one.timing.runs_ms)) if timed else "–",
        f"{span(speedup(one.timing.runs_ms, one.dense.runs_ms))}×" if timed and not one.is_dense else "–",
    ]
    return f'<tr><th scope="row">{escape(one.label)}</th>{cells(figures)}</tr>'


def _times(compared: Sequence[Compared]) -> str:
    """The times of dense and of the strategy of the headline, as ranges."""
    one, dense = compared[-1], compared[0]
    runs = len(dense.timing.runs_ms)
    how = number_of(runs, "run") if runs < FEW else f"the middle 80 % of {runs} runs"
    full = f"{span(middle(dense.timing.runs_ms))} ms"
    if one.is_dense:
        return f"{full} with <code>{escape(dense.label)}</code>: {how}. {MORE}"
    return (
        f"{span(middle(one.timing.runs_ms))} ms instead of {full}, "
        f"{said(speedup(one.timing.runs_ms, dense.timing.runs_ms))} the full pass, <code>{escape(dense.label)}</code>, "
        f"on this text and machine: {how} of each in turn. {MORE}"
    )


def said(factor: Range) -> str:
    """A speed-up in words."""
    return f"<b>{span(factor)}×</b> as fast as"


def span(ends: Range) -> str:
    """A range with two digits, as one number if both ends are alike."""
    digits = 0 if ends[0] >= 10 else 1
    low, high = (f"{end:.{digits}f}" for end in ends)
    return low if low == high else f"{low}–{high}"


def _read(one: Compared) -> str:
    """How much of the text the large model of a cascade read, and why."""
    judged = one.result.trace.windows
    threshold = one.result.strategy.settings()["threshold"]
    return (
        f"<p><code>{escape(one.label)}</code>: the large model read {sum(window.read for window in judged)} of "
        f"{number_of(len(judged), 'window')}, those of {term('doubt')} {threshold:.2f} or more; Watch lists them.</p>"
    )


def _changes(one: Compared) -> str:
    """Names the entities that are not as in dense, as buttons that lead to Why."""
    kinds = [f"{kind}: {_names(one, kind)}" for kind in (LOST, NEW, CHANGED) if one.of_kind(kind)]
    return f"<p><code>{escape(one.label)}</code> {'; '.join(kinds)}</p>"


def _names(one: Compared, kind: str) -> str:
    found = one.of_kind(kind)
    names = [
        f'<button type="button" class="to-word {kind}" data-word="{each.word}" data-strategy="{escape(one.name)}">'
        f"{escape(each.entity.text)}</button>"
        for each in found[:NAMED]
    ]
    return ", ".join(names) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _entities(number: int) -> str:
    return number_of(number, "entity", "entities") if number else "no entities"
