"""Requests to run the text, of which a visitor's latest one wins, and the run that answers them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr

from demo.common.answer import cancelled, failed, running
from demo.common.card import card
from demo.common.limits import KEEP_RUN_S, MODEL_WORK, check_strategies, check_text
from demo.common.runs import Run, run_text
from demo.common.settings_panel import SettingsPanel
from demo.common.tagging import CallCancelledError
from demo.common.wiring import EVERY_CHANGE, QUIET
from demo.settings import chosen_strategy, in_page_order
from engine import Engine, InputError

SCRIPT = Path(__file__).with_name("answer.js")
UNAVAILABLE = "The server could not run this, perhaps because too many requests are waiting. Press Run to try again."
# If times were not measured, e.g. because the text has changed, nothing more will come.
SETTLE = """() => document.dispatchEvent(new CustomEvent("settled"))"""
_NUMBERS = count(1)  # of all sessions: a session that Gradio forgot must not get the same number again
_LOCK = Lock()


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
    """Requests to run the text, and what answers them.

    ``answer``: the card above the tabs, which the page renders.
    ``run``: the session's latest `Run`. ``drawn``: a number that changes whenever ``run`` does.
    """

    answer: gr.HTML
    run: gr.State
    drawn: gr.Number


def build_requests(
    engine: Engine, text: gr.Textbox, panel: SettingsPanel, changes: Sequence[Any], run: gr.Button, cancel: gr.Button
) -> Requests:
    """Builds the run and what asks for it.

    A change asks for a run if the values on which a run depends, text and choice, differ from the latest request's.
    """
    script = SCRIPT.read_text(encoding="utf-8")
    answer = gr.HTML(running(), elem_classes="answer-block", js_on_load=script, render=False)
    requests = Requests(answer, gr.State(time_to_live=KEEP_RUN_S), gr.Number(visible="hidden"))
    number = gr.Number(visible="hidden")  # of a request; its change starts the run
    latest = gr.State(Latest())  # so that a run notices when another is requested

    def on_request(latest: Latest, *values: Any) -> list[Any]:
        return [latest.take(fingerprint(values)), running()]

    def on_edit(latest: Latest, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        with _LOCK:  # several components may change at once
            return [gr.skip()] * 2 if mark == latest.mark else [latest.take(mark), running()]

    def on_cancel(latest: Latest) -> str:
        unanswered = latest.mark is not None and latest.shown != latest.number
        latest.take()
        return cancelled() if unanswered else gr.skip()

    def on_run(
        latest: Latest,
        before: Run | None,
        shown: str,
        text: str,
        names: list[str],
        point: str | None,
        *settings: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        mark = fingerprint([text, names, point, *settings])
        with _LOCK:  # answers to changes made at once may reach the page in any order: its values count, not its number
            if latest.mark is None:
                return
            number = latest.number if mark == latest.mark else latest.take(mark)
        if before is not None and before.number == number:  # an answer that came late has hidden the result
            yield [card(before, shown), gr.skip(), gr.skip()]
            return
        try:
            names = in_page_order(engine, check_strategies(list(names)))
            strategies = [chosen_strategy(engine, name, point, *settings) for name in names]
            runs = run_text(
                engine, check_text(text), strategies, point, number, lambda: latest.number == number, progress
            )
            for run in runs:
                latest.shown = number
                yield [card(run, shown), run, number + run.timed / 2]
        except CallCancelledError:
            return
        except InputError as error:
            latest.shown = number
            yield [failed(str(error)), None, number]

    def on_shown(latest: Latest, run: Run | None, name: str) -> str:
        return card(run, name) if run and run.number == latest.number else gr.skip()

    values = [text, panel.strategies, *panel.settings]
    for change in changes:
        change(on_edit, [latest, *values], [number, answer], **EVERY_CHANGE)
    run.click(on_request, [latest, *values], [number, answer], trigger_mode="always_last", **QUIET)
    cancel.click(on_cancel, latest, answer, **QUIET)
    started = number.change(
        on_run,
        [latest, requests.run, panel.shown, *values],
        [answer, requests.run, requests.drawn],
        trigger_mode="always_last",
        show_progress_on=answer,
        api_visibility="private",
        **MODEL_WORK,
    )
    started.failure(lambda: failed(UNAVAILABLE), None, answer, **QUIET)
    started.then(None, None, None, js=SETTLE, **QUIET)
    panel.shown.change(on_shown, [latest, requests.run, panel.shown], answer, **EVERY_CHANGE)
    return requests


def fingerprint(values: Sequence[Any]) -> int:
    """A number that identifies the values of components, so that no text has to be kept."""
    # Hashes text, because −1 and −2 have the same hash; 1 and 1.0 are the same value of a setting.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))
