"""When a text is run: on request and after every change except typing. The last request wins and can be cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.html import answer
from demo.page.blocks import EVERY_CHANGE, QUIET
from demo.page.turns import Turns, fingerprint


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
    """Builds the answer line and the request counter."""
    line = gr.HTML(answer.running(), js_on_load=answer.SCRIPT.read_text(encoding="utf-8"))
    return Runs(gr.Number(visible="hidden"), gr.State(0), line, Turns())


def request_runs(
    runs: Runs, values: Sequence[Any], changes: Sequence[Any], asks: Sequence[Any], cancel: gr.Button
) -> None:
    """Makes events request a run.

    Args:
        runs: from `build_runs`.
        values: the components that a run depends on.
        changes: events that request a run if the values differ from the last request's.
        asks: events that always request a run.
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
    for ask in asks:
        ask(on_ask, list(values), outputs, trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, [runs.request, runs.shown], runs.answer, **QUIET)
