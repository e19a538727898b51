"""Requests to run the text, of which a visitor's latest one wins, and the answer to them above the tabs.

``answer.js`` compares the text of the run with the text box.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import gradio as gr

from demo.common.events import EVERY_CHANGE, QUIET, fingerprint
from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape, printable

SCRIPT = Path(__file__).with_name("answer.js")
OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."
# ``running``: nothing is shown yet; ``timing``: entities are shown, times are being refined.
AnswerState = Literal["running", "timing", "done", "cancelled", "failed"]
_NUMBERS = count(1)  # of all sessions: a session that Gradio forgot must not get the same number again
_LOCK = Lock()


def checksum(text: str) -> int:
    """A number by which the page recognises text in a text area; ``answer.js`` computes the same number."""
    return zlib.crc32(printable(text).replace("\r\n", "\n").replace("\r", "\n").encode())


def answer(state: AnswerState, content: str, text: str | None = None) -> str:
    """The line in one of its states; ``content`` is markup, ``text`` the text of the run if it is known."""
    mark = "" if text is None else checksum(text)
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-text="{mark}">'
        f'{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


def running(message: str = "Running…") -> str:
    """The answer while a run shows nothing yet."""
    return answer("running", f"<p>{escape(message)}</p>")


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
    ``answer``: the line above the tabs, which the page renders.
    """

    number: gr.Number
    latest: gr.State
    answer: gr.HTML


def build_requests(values: Sequence[Any], changes: Sequence[Any], run: gr.Button, cancel: gr.Button) -> Requests:
    """Builds the request counter and its listeners.

    A change requests a run if the ``values``, on which a run depends, differ from the latest request's.
    """
    line = gr.HTML(running(), js_on_load=SCRIPT.read_text(encoding="utf-8"), render=False)
    requests = Requests(gr.Number(visible="hidden"), gr.State(Latest()), line)

    def on_request(latest: Latest, *values: Any) -> list[Any]:
        return [latest.take(fingerprint(values)), running()]

    def on_edit(latest: Latest, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        with _LOCK:  # several components may change at once
            return [gr.skip()] * 2 if mark == latest.mark else [latest.take(mark), running()]

    def on_cancel(latest: Latest, number: int) -> str:
        latest.take()
        return gr.skip() if latest.shown == number else cancelled()

    inputs, outputs = [requests.latest, *values], [requests.number, line]
    for change in changes:
        change(on_edit, inputs, outputs, **EVERY_CHANGE)
    run.click(on_request, inputs, outputs, trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, [requests.latest, requests.number], line, **QUIET)
    return requests
