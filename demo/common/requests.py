"""Requests to run the text, of which a visitor's latest one wins, their answer, and tabs that are drawn on demand.

``answer.js`` compares the text of the run with the text box.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import gradio as gr

from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape, printable

SCRIPT = Path(__file__).with_name("answer.js")
OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."
ESTIMATED_S = 1.0  # runs of less time are not estimated
# For handlers that are not part of the HTTP API; QUIET ones answer at once.
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
QUIET: dict[str, Any] = {"queue": False, **HIDDEN}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
# ``running``: nothing is shown yet; ``timing``: entities are shown, times are being refined.
AnswerState = Literal["running", "timing", "done", "cancelled", "failed"]
_NUMBERS = count(1)  # of all sessions: a session that Gradio forgot must not get the same number again
_LOCK = Lock()


def checksum(text: str) -> int:
    """A number by which the page recognises text in a text area; ``answer.js`` computes the same number."""
    return zlib.crc32(printable(text).replace("\r\n", "\n").replace("\r", "\n").encode())


def answer(state: AnswerState, content: str, text: str | None = None) -> str:
    """The answer in one of its states; ``content`` is markup, ``text`` the text of the run if it is known."""
    mark = "" if text is None else checksum(text)
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-text="{mark}">'
        f'{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


def running(seconds: float = 0.0) -> str:
    """The answer while a run shows nothing yet; says about how long it takes unless that is little."""
    takes = f" about {seconds:.0f} s for this text" if seconds >= ESTIMATED_S else ""
    return answer("running", f"<p>Running…{escape(takes)}</p>")


def failed(message: str) -> str:
    """The answer after a run failed."""
    return answer("failed", alert(message))


def cancelled() -> str:
    """The answer after a visitor stopped a run that had shown nothing."""
    return answer("cancelled", "<p>Cancelled. Any result shown is from an earlier run. Press Run to start again.</p>")


@dataclass
class Latest:
    """A session's latest request.

    ``mark``: `fingerprint` of what is requested; None if it only ends the one before.
    ``shown``: the number of the request whose result is shown.
    """

    number: int = 0
    mark: int | None = None
    shown: int = 0

    def take(self, mark: int | None = None) -> int:
        """Makes a new request the latest, and returns its number."""
        self.number, self.mark = next(_NUMBERS), mark
        return self.number


@dataclass(frozen=True)
class Requests:
    """Requests to run the text, and the answer to them.

    ``number``: the latest request's number; its ``change`` starts the run.
    ``latest``: holds the session's `Latest`, so that a run notices when another is requested.
    ``answer``, ``references``: the card above the tabs and what is below it, which the page renders.
    """

    number: gr.Number
    latest: gr.State
    answer: gr.HTML
    references: gr.HTML


def build_requests(
    text: gr.Textbox, choice: Sequence[Any], changes: Sequence[Any], run: gr.Button, cancel: gr.Button, pace: float
) -> Requests:
    """Builds the request counter and its listeners.

    A change requests a run if the values on which a run depends, text and choice, differ from the latest request's.

    ``choice``: the strategies, then their settings. ``pace``: seconds that dense takes for a character.
    """
    card = gr.HTML(running(), js_on_load=SCRIPT.read_text(encoding="utf-8"), render=False)
    requests = Requests(
        gr.Number(visible="hidden"), gr.State(Latest()), card, gr.HTML(render=False, elem_classes="references-line")
    )

    def on_request(latest: Latest, *values: Any) -> list[Any]:
        return [latest.take(fingerprint(values)), waiting(*values), ""]

    def on_edit(latest: Latest, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        with _LOCK:  # several components may change at once
            return [gr.skip()] * 3 if mark == latest.mark else [latest.take(mark), waiting(*values), ""]

    def waiting(text: str, names: Sequence[str], *_: Any) -> str:
        return running(pace * len(text) * len(names))

    def on_cancel(latest: Latest, number: int) -> str:
        latest.take()
        return gr.skip() if latest.shown == number else cancelled()

    inputs, outputs = [requests.latest, text, *choice], [requests.number, card, requests.references]
    for change in changes:
        change(on_edit, inputs, outputs, **EVERY_CHANGE)
    run.click(on_request, inputs, outputs, trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, [requests.latest, requests.number], card, **QUIET)
    return requests


def fingerprint(values: Sequence[Any]) -> int:
    """A number that identifies the values of components, so that no text has to be kept."""
    # Hashes text, because −1 and −2 have the same hash; 1 and 1.0 are the same value of a setting.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))


def draw_when_visible(
    tab: gr.Tab,
    visible_tab: gr.State,
    values: Sequence[Any],
    changes: Sequence[Any],
    draw: Callable[..., list[Any]],
    outputs: Sequence[Any],
    drawn: int | None = None,
    **listener: Any,
) -> None:
    """Draws a tab when it is selected or, while it is visible, when a value changes; never twice for the same values.

    ``values``: the components that the tab depends on. ``changes``: events that may change their values.
    ``drawn``: `fingerprint` of the values for which the tab is drawn when the page opens.
    ``listener``: options of the listener that draws.
    """
    asked = gr.State(drawn)  # fingerprint of the values drawn last or about to be drawn
    request = gr.Number(visible="hidden")  # not a State: outside the queue, Gradio does not notice its changes

    def on_select(asked: int | None, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        return [gr.skip()] * 2 if mark == asked else [time.time(), mark]

    def on_change(visible: str, asked: int | None, *values: Any) -> list[Any]:
        return on_select(asked, *values) if visible == tab.label else [gr.skip()] * 2

    tab.select(on_select, [asked, *values], [request, asked], **QUIET)
    for change in changes:
        change(on_change, [visible_tab, asked, *values], [request, asked], **EVERY_CHANGE)
    drawing = request.change(draw, values, outputs, trigger_mode="always_last", **listener)
    drawing.failure(lambda: None, None, asked, **QUIET)  # so that selecting the tab again draws it
