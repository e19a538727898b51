"""When a text is run: on request and after every change except typing. The last request wins and can be cancelled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any

import gradio as gr

from demo.common import answer
from demo.common.blocks import EVERY_CHANGE, QUIET

MAX_SESSIONS = 1000  # remembered; a forgotten session only computes to the end


def fingerprint(values: Sequence[Any]) -> int:
    """A number that identifies component values, so no text has to be kept."""
    # Hashes text, because −1 and −2 have the same hash; 1 and 1.0 are the same slider value.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))


class Turns:
    """Numbers the requests of each session."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._latest: OrderedDict[str | None, tuple[int, int | None]] = OrderedDict()  # number and mark
        self._lock = Lock()

    def take(self, session: str | None, mark: int | None = None) -> int:
        """Takes a new number, the session's latest.

        Args:
            session: the visitor's session.
            mark: `fingerprint` of what is requested; none if this only ends older requests.
        """
        with self._lock:
            return self._take(session, mark)

    def take_if_new(self, session: str | None, mark: int) -> int | None:
        """Like `take`, but no number if the session's latest request has the same mark."""
        with self._lock:
            _, latest = self._latest.get(session, (0, None))
            return None if mark == latest else self._take(session, mark)

    def _take(self, session: str | None, mark: int | None) -> int:
        number = next(self._numbers)
        self._latest[session] = number, mark
        self._latest.move_to_end(session)
        if len(self._latest) > MAX_SESSIONS:
            self._latest.popitem(last=False)
        return number

    def is_latest(self, session: str | None, number: int) -> bool:
        """Whether the session has requested nothing since."""
        latest, _ = self._latest.get(session, (number, None))
        return latest == number


@dataclass(frozen=True)
class Runs:
    """Requests to run a text.

    ``request``: the latest request's number; its ``change`` starts the run.
    ``shown``: the number of the request whose result is shown.
    ``answer``: what was found, above the tabs.
    """

    request: gr.Number
    shown: gr.State
    answer: gr.HTML
    turns: Turns


def build_runs() -> Runs:
    """Builds the request counter, and the answer, which is yet to be rendered."""
    line = gr.HTML(answer.running(), js_on_load=answer.SCRIPT.read_text(encoding="utf-8"), render=False)
    return Runs(gr.Number(visible="hidden"), gr.State(0), line, Turns())


def request_runs(runs: Runs, values: Sequence[Any], changes: Sequence[Any], ask: Any, cancel: gr.Button) -> None:
    """Makes events request a run.

    Args:
        runs: from `build_runs`.
        values: the components that a run depends on.
        changes: events that request a run if the values differ from the last request's.
        ask: the event that always requests a run.
        cancel: stops the latest run.
    """

    def on_ask(request: gr.Request, *values: Any) -> list[Any]:
        return [runs.turns.take(request.session_hash, fingerprint(values)), answer.running()]

    def on_edit(request: gr.Request, *values: Any) -> list[Any]:
        number = runs.turns.take_if_new(request.session_hash, fingerprint(values))
        return [gr.skip()] * 2 if number is None else [number, answer.running()]

    def on_cancel(request: gr.Request, number: int, shown: int) -> str:
        runs.turns.take(request.session_hash)
        return gr.skip() if shown == number else answer.cancelled()

    outputs = [runs.request, runs.answer]
    for change in changes:
        change(on_edit, list(values), outputs, **EVERY_CHANGE)
    ask(on_ask, list(values), outputs, trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, [runs.request, runs.shown], runs.answer, **QUIET)
