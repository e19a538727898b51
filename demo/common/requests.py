"""Requests to run the text, of which a visitor's latest wins, and the run that answers them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.card import CANCELLED, RUNNING, card, failed
from demo.common.limits import EVERY_CHANGE, KEEP_RUN_S, MODEL_WORK, QUIET, check_strategies, check_text
from demo.common.links import remarks
from demo.common.runs import CallCancelledError, Run, run_text
from demo.settings import chosen_strategy, in_page_order
from engine import Engine, InputError

SCRIPT = Path(__file__).with_name("answer.js")
UNAVAILABLE = "The server could not run this, perhaps because too many requests are waiting. Press Run to try again."
_NUMBERS = count(1)  # of all visitors: one whose session Gradio forgot must not get the same number again


@dataclass
class Latest:
    """A visitor's latest request: its number, a hash of its values, which are not kept, and whether it is still wanted.

    ``answered``: the number of the request that the latest run answers.
    """

    number: int = 0
    mark: int = 0
    wanted: bool = False
    answered: int = 0

    def take(self, *values: Any) -> int:
        """Makes a request for these values of components the latest, and returns its number."""
        self.number, self.mark, self.wanted = next(_NUMBERS), hash(repr(values)), True
        return self.number

    def cancel(self) -> None:
        self.wanted = False

    def is_for(self, *values: Any) -> bool:
        return self.mark == hash(repr(values))

    def wants(self, number: int) -> bool:
        return self.wanted and self.number == number


class Requests:
    """What happens when the text is to run, a value is edited, a run is cancelled, or a request is answered."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._card = engine, partial(card, remarks=remarks(engine))

    def request(self, latest: Latest, *values: Any) -> str:
        """Requests a run; returns the answer meanwhile."""
        latest.take(*values)
        return RUNNING

    def edit(self, latest: Latest, *values: Any) -> Any:
        """Requests a run if the values differ from those of the latest request."""
        return gr.skip() if latest.wanted and latest.is_for(*values) else self.request(latest, *values)

    def cancel(self, latest: Latest, run: Run | None) -> Any:
        """Ends the latest request; if entities are shown, the answer keeps them."""
        latest.cancel()
        return gr.skip() if run is not None and run.number == latest.number else CANCELLED

    def run(
        self,
        latest: Latest,
        before: Run | None,
        shown: str,
        text: str,
        names: list[str],
        point: str | None,
        *settings: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        """Yields answer and run: once entities are found, and once times are measured.

        ``before``: the run that the page shows. ``shown``: the name of the strategy shown.
        """
        if not latest.wanted:
            return
        # Answers to changes made at once may reach the page in any order: the values that it holds count.
        values = text, names, point, *settings
        number = latest.number if latest.is_for(*values) else latest.take(*values)
        if latest.answered == number:  # several events may be of one request
            if before is not None and before.number == number:  # an answer that came late may have hidden the result
                yield [self._card(before, shown), gr.skip()]
            return
        latest.answered = number
        run = None
        try:
            names = in_page_order(self._engine, check_strategies(names))
            strategies = [chosen_strategy(self._engine, name, point, *settings) for name in names]
            wanted = partial(latest.wants, number)
            for run in run_text(self._engine, check_text(text), strategies, number, wanted, progress):
                yield [self._card(run, shown), run]
        except InputError as error:
            latest.answered = 0
            yield [failed(str(error)), None]
        except CallCancelledError:
            if run is None or latest.number != number:
                yield [gr.skip()] * 2  # Gradio sends what came last once more, over what the page says by now
            else:
                run = replace(run, ended=True)
                yield [self._card(run, shown), run]

    def show(self, latest: Latest, run: Run | None, name: str) -> Any:
        return self._card(run, name) if run is not None and run.number == latest.number else gr.skip()


def build_requests(
    engine: Engine, values: Sequence[Any], shown: gr.Radio, changes: Sequence[Any], button: gr.Button, cancel: gr.Button
) -> tuple[gr.HTML, gr.State]:
    """Builds the answer, which the page renders, and the session's latest `Run`.

    ``values``: components that a run depends on. ``changes``: events after which they may have changed.
    """
    requests, latest = Requests(engine), gr.State(Latest())
    script = SCRIPT.read_text(encoding="utf-8")
    answer = gr.HTML(RUNNING, elem_classes="answer-block", js_on_load=script, render=False)
    run = gr.State(time_to_live=KEEP_RUN_S)
    asked = [change(requests.edit, [latest, *values], answer, **EVERY_CHANGE) for change in changes]
    asked.append(button.click(requests.request, [latest, *values], answer, trigger_mode="always_last", **QUIET))
    for request in asked:
        started = request.then(
            requests.run,
            [latest, run, shown, *values],
            [answer, run],
            trigger_mode="always_last",
            show_progress_on=answer,
            api_visibility="private",
            **MODEL_WORK,
        )
        started.failure(lambda: failed(UNAVAILABLE), None, answer, **QUIET)
    cancel.click(requests.cancel, [latest, run], answer, **QUIET)
    shown.change(requests.show, [latest, run, shown], answer, **EVERY_CHANGE)
    return answer, run
