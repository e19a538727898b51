"""The answer above the tabs, in its states. ``answer.js`` compares the text of the run with the text box."""

from typing import Literal

from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape

OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."
# ``running``: nothing is shown yet; ``timing``: entities are shown, times are being measured.
AnswerState = Literal["running", "timing", "done", "cancelled", "failed"]


def answer(state: AnswerState, content: str, number: int = 0, text: str = "") -> str:
    """The answer in one of its states; ``content`` is markup, ``number`` and ``text`` are those of the run."""
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-run="{number}" '
        f'data-text="{escape(text)}">{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


def running() -> str:
    """The answer while a run shows nothing yet."""
    return answer("running", "<p>Running…</p>")


def failed(message: str) -> str:
    """The answer after a run failed."""
    return answer("failed", alert(message))


def cancelled() -> str:
    """The answer after a visitor stopped a run that had shown nothing."""
    return answer("cancelled", "<p>Cancelled. Any result shown is from an earlier run. Press Run to start again.</p>")
