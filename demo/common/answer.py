"""The line above the tabs: what the last run found, or why it is out of date.

Its state is ``running`` (this run shows nothing yet), ``timing`` (entities are shown, times are being refined),
``done``, ``cancelled`` or ``failed``. ``answer.js`` compares its text with the text box.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from demo.common.compared import KINDS, Compared
from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape, printable, term
from demo.common.timing import RUNS

SCRIPT = Path(__file__).with_suffix(".js")
NAMED = 5  # entities of one kind
LEAST_WORDS, ENGLISH_SHARE = 12, 0.06  # of very frequent words, which make up a fifth of an abstract
_ENGLISH = re.compile("a|and|are|as|at|by|for|from|in|is|of|on|or|that|the|this|to|was|were|with")
_LETTERS = re.compile(r"[^\W\d_]+")
OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."


def checksum(text: str) -> int:
    """A number by which the page recognises text in a text area; ``answer.js`` computes the same number."""
    return zlib.crc32(printable(text).replace("\r\n", "\n").replace("\r", "\n").encode())


def language_remark(text: str) -> str:
    """What to say of a text that looks like another language than English; empty if it does not."""
    words = _LETTERS.findall(text.lower())
    if len(words) < LEAST_WORDS or sum(_ENGLISH.fullmatch(word) is not None for word in words) >= ENGLISH_SHARE * len(
        words
    ):
        return ""
    return "This does not look like English: a model trained on English texts finds little here, or guesses."


def running(message: str = "Running…") -> str:
    """A run that shows nothing yet."""
    return _answer("running", f"<p>{escape(message)}</p>")


def failed(message: str) -> str:
    """A run that failed."""
    return _answer("failed", alert(message))


def cancelled() -> str:
    """A run that a visitor stopped before it showed anything."""
    return _answer("cancelled", "<p>Cancelled. Any result shown is from an earlier run. Press Run to start again.</p>")


def answer(
    text: str, compared: Sequence[Compared], *, timing: bool, remarks: Sequence[str] = (), average: str = ""
) -> str:
    """What a run found: one line for each strategy but ``dense``.

    Args:
        text: the text that was run.
        compared: what was measured.
        timing: whether more runs follow.
        remarks: anything else to know, e.g. what was left out.
        average: what to expect of other texts; a phone has no room for it.
    """
    lines = "".join(_line(one, compared) for one in compared if not one.is_reference) or _line(compared[0], compared)
    more = "".join(f"<p>{escape(remark)}</p>" for remark in remarks if remark)
    more += f'<p class="average">{escape(average)}</p>' if average else ""
    return _answer("timing" if timing else "done", lines + more, str(checksum(text)))


def _answer(state: str, content: str, text: str = "") -> str:
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-text="{text}">'
        f'{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


def _line(one: Compared, compared: Sequence[Compared]) -> str:
    name = f"<code>{escape(one.name_among(compared))}</code>" + (f" ({escape(one.settings)})" if one.settings else "")
    ms = f"{one.measured.latency_ms:.0f} ms"
    if one.is_reference:
        return f"<p>{name}: {ms}, {_counted(len(one.result.entities))}.</p>"
    return (
        f"<p>{name}: {f'<strong>{ms}</strong>' if one.decided else ms}, {_speed(one)}; "
        f"{_found(one, here=one.model == compared[0].model)}; "
        f"{one.result.cost.token_layers_kept:.0%} of the {term('computation kept', 'computation')}.</p>"
    )


def _found(one: Compared, *, here: bool) -> str:
    """What became of the entities; names those that changed.

    Args:
        one: the strategy.
        here: whether the page can show the strategy's words.
    """
    same = len(one.of_kind("same"))
    changed = [
        f"{len(found)} {kind}: {_named(one, kind, here=here)}" for kind in KINDS[:-1] if (found := one.of_kind(kind))
    ]
    if not changed:
        return f"the same {_counted(same)}" if same else "no entities, like dense"
    return "; ".join([*changed, f"{same} the same"])


def _named(one: Compared, kind: str, *, here: bool) -> str:
    found = one.of_kind(kind)
    names = [
        f'<button type="button" class="to-word {kind}" data-word="{each.word}" data-strategy="{escape(one.name)}">'
        f"{escape(each.entity.text)}</button>"
        if here
        else f"<em>{escape(each.entity.text)}</em>"
        for each in found[:NAMED]
    ]
    return ", ".join(names) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _speed(one: Compared) -> str:
    """How fast it is against its reference, if the times can tell."""
    dense = term("dense") + escape(one.of_reference)
    if one.doubt:
        timed = len(one.measured.runs_ms) > 1
        return f"speed-up over {dense} not given: {one.doubt}" if timed else f"not yet timed against {dense}"
    ratio = f"{one.speedup:.2f}×"
    if one.decided:
        return f"<strong>{ratio}</strong> as fast as {dense} on this text"
    runs = len(one.measured.runs_ms)
    return f"{ratio} as fast as {dense} on this text ({f'{runs} runs' if runs < RUNS else 'not in every run'})"


def _counted(entities: int) -> str:
    return f"{entities or 'no'} {'entity' if entities == 1 else 'entities'}"
