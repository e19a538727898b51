"""Requests to run the text, of which a visitor's latest one wins, and the answer to them above the tabs.

``answer.js`` compares the text of the run with the text box.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import RLock
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
MAX_SESSIONS = 1000  # remembered; the requests of a forgotten session run to their end


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


class RequestNumbers:
    """Numbers the requests of all sessions and remembers each session's latest."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._latest: OrderedDict[str | None, tuple[int, int | None]] = OrderedDict()  # number and mark
        self._lock = RLock()

    def take(self, session: str | None, mark: int | None = None) -> int:
        """Takes a new number, which becomes the session's latest.

        Args:
            session: the visitor's session.
            mark: `fingerprint` of what is requested; None if this only ends older requests.
        """
        with self._lock:
            number = next(self._numbers)
            self._latest[session] = number, mark
            self._latest.move_to_end(session)
            if len(self._latest) > MAX_SESSIONS:
                self._latest.popitem(last=False)
            return number

    def take_if_new(self, session: str | None, mark: int) -> int | None:
        """Like `take`, but returns None if the session's latest request has the same mark."""
        with self._lock:
            _, latest = self._latest.get(session, (0, None))
            return None if mark == latest else self.take(session, mark)

    def is_latest(self, session: str | None, number: int) -> bool:
        """Whether the session has requested nothing since."""
        latest, _ = self._latest.get(session, (number, None))
        return latest == number


@dataclass(frozen=True)
class Requests:
    """Requests to run the text, and the answer to them.

    ``number``: the latest request's number; its ``change`` starts the run.
    ``shown``: the number of the request whose result is shown.
    ``answer``: the line above the tabs, which the page renders.
    """

    number: gr.Number
    shown: gr.State
    answer: gr.HTML
    numbers: RequestNumbers = field(default_factory=RequestNumbers)


def build_requests(values: Sequence[Any], changes: Sequence[Any], run: gr.Button, cancel: gr.Button) -> Requests:
    """Builds the request counter and its listeners.

    Args:
        values: the components that a run depends on.
        changes: events that request a run if the values differ from the latest request's.
        run: always requests a run.
        cancel: stops the latest run.
    """
    line = gr.HTML(running(), js_on_load=SCRIPT.read_text(encoding="utf-8"), render=False)
    requests = Requests(gr.Number(visible="hidden"), gr.State(0), line)

    def on_request(request: gr.Request, *values: Any) -> list[Any]:
        return [requests.numbers.take(request.session_hash, fingerprint(values)), running()]

    def on_edit(request: gr.Request, *values: Any) -> list[Any]:
        number = requests.numbers.take_if_new(request.session_hash, fingerprint(values))
        return [gr.skip()] * 2 if number is None else [number, running()]

    def on_cancel(request: gr.Request, number: int, shown: int) -> str:
        requests.numbers.take(request.session_hash)
        return gr.skip() if shown == number else cancelled()

    outputs = [requests.number, line]
    for change in changes:
        change(on_edit, list(values), outputs, **EVERY_CHANGE)
    run.click(on_request, list(values), outputs, trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, [requests.number, requests.shown], line, **QUIET)
    return requests
