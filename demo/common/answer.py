"""The line above the tabs: what the last run found, or why it is out of date.

Its state is ``running`` (this run shows nothing yet), ``timing`` (entities are shown, times are being refined),
``done``, ``cancelled`` or ``failed``. ``answer.js`` compares its text with the text box.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from demo.common.compared import Compared, missing_and_new
from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape, printable, term
from demo.common.timing import RUNS

SCRIPT = Path(__file__).with_suffix(".js")
OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."


def checksum(text: str) -> int:
    """A number by which the page recognises text in a text area; ``answer.js`` computes the same number."""
    return zlib.crc32(printable(text).replace("\r\n", "\n").replace("\r", "\n").encode())


def running(message: str = "Running…") -> str:
    """A run that shows nothing yet."""
    return _answer("running", f"<p>{escape(message)}</p>")


def failed(message: str) -> str:
    """A run that failed."""
    return _answer("failed", alert(message))


def cancelled() -> str:
    """A run that a visitor stopped before it showed anything."""
    return _answer("cancelled", "<p>Cancelled. Any result shown is from an earlier run. Press Run to start again.</p>")


def answer(text: str, compared: Sequence[Compared], *, timing: bool, remark: str = "") -> str:
    """What a run found: one line for each strategy but ``dense``.

    Args:
        text: the text that was run.
        compared: what was measured.
        timing: whether more runs follow.
        remark: anything else to know, e.g. what was left out.
    """
    lines = "".join(_line(one, compared) for one in compared if not one.is_reference) or _line(compared[0], compared)
    more = f"<p>{escape(remark)}</p>" if remark else ""
    return _answer("timing" if timing else "done", lines + more, str(checksum(text)))


def _answer(state: str, content: str, text: str = "") -> str:
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-text="{text}">'
        f'{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


def _line(one: Compared, compared: Sequence[Compared]) -> str:
    result, entities = one.result, len(one.result.entities)
    ms = f"<strong>{one.measured.latency_ms:.0f} ms</strong>"
    name = f"<code>{escape(one.name_among(compared))}</code>" + (f" ({escape(one.settings)})" if one.settings else "")
    if one.is_reference:
        return f"<p>{name}: {ms}, {_counted(entities, 'entity', 'entities')}.</p>"
    missing, new = missing_and_new(result, one.reference.result)
    if not missing and not new:
        found = f"the same {_counted(entities, 'entity', 'entities')}" if entities else "no entities, like dense"
    elif not one.reference.result.entities:
        found = f"{_counted(entities, 'entity', 'entities')} where dense has none"
    else:
        found = (
            f"{entities - len(new)} of {entities - len(new) + len(missing)} entities the same"
            + (f", {len(missing)} missing" if missing else "")
            + (f", {len(new)} new" if new else "")
        )
    return (
        f"<p>{name}: {ms}, {_speed(one)}; {found}; "
        f"{result.cost.token_layers_kept:.0%} of the {term('computation kept', 'computation')}.</p>"
    )


def _speed(one: Compared) -> str:
    """How fast it is against its reference; one run, perhaps on a cold engine, cannot tell."""
    dense = term("dense") + escape(one.of_reference)
    runs = len(one.measured.runs_ms)
    if runs == 1:
        return f"one run, too few to compare with {dense}"
    ratio = f"{one.measured.speedup_over(one.reference):.2f}×"
    if one.measured.faster_than(one.reference) or one.reference.faster_than(one.measured):
        ratio, doubt = f"<strong>{ratio}</strong>", ""
    else:
        doubt = f" ({runs} runs, too few to tell)" if runs < RUNS else " (not in every run)"
    return f"{ratio} as fast as {dense} on this text{doubt}"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number or 'no'} {one if number == 1 else several}"
