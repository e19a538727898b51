"""The tab Compare: runs several strategies on one text. Entities come first, then times are refined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import gradio as gr
import torch

from demo.common.answer import answer, failed, language_remark, running
from demo.common.blocks import QUIET
from demo.common.compared import Compared
from demo.common.inputs import Inputs
from demo.common.limits import MODEL_WORK, TIMING_WORK, check_strategies, check_text
from demo.common.links import model_name
from demo.common.reports import average_speedup, own_report
from demo.common.runs import fingerprint
from demo.common.timing import (
    PAGE,
    Budget,
    Going,
    Measured,
    affordable_rounds,
    affordable_taggers,
    first_pass,
    more_rounds,
    tagger,
)
from demo.settings import chosen_strategy, default_values, describe_settings, points
from demo.tabs.compare import cards, panels
from engine import Engine, InputError, Strategy

LABEL = "Compare"
WORK: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **MODEL_WORK}
UNAVAILABLE = "The server could not run this, perhaps because too many requests are waiting. Press Run to try again."
NOTHING = (None, 0, 0, "")  # nothing to time again
# If times were not refined, e.g. because the text has changed, nothing more will come.
SETTLE = """() => document.dispatchEvent(new CustomEvent("settled"))"""
LEGEND = """
<p class="note found-legend">Against <code>dense</code>: <span class="mark same" data-colour="0"
data-label="Type">same</span> <span class="mark lost" data-colour="0" data-label="− Type">lost</span>
<span class="mark new" data-colour="0" data-label="+ Type">new</span> <span class="mark changed" data-colour="0"
data-label="↔ Type">changed border or type</span> <span class="exited">exited early</span>
Point at a word to see its score or its layer.</p>
"""


@dataclass(frozen=True)
class Job:
    """A strategy on a model, with what its card says about both."""

    engine: Engine
    model: str
    strategy: Strategy
    settings: str


@dataclass(frozen=True)
class Shown:
    """What the page shows (answer, texts and cards), and how to refine the times.

    ``ran``: how many jobs ran; ``rounds``: how often to run them again; ``left_out``: what the answer says of others.
    """

    answer: str
    texts: str
    cards: str
    ran: int = 0
    rounds: int = 0
    left_out: str = ""


def jobs_of(engine: Engine, model: str, names: Sequence[str], point: str | None, *settings: Any) -> list[Job]:
    """``dense`` and the chosen strategies, in page order.

    Raises:
        InputError: there are no strategies or too many.
    """
    names = check_strategies(list(names))
    strategies = [
        chosen_strategy(engine, name, point, *settings) for name in engine.runnable if name in names or name == "dense"
    ]
    return [Job(engine, model, strategy, describe_settings(engine, strategy, point)) for strategy in strategies]


def jobs_beside(engine: Engine, model: str, names: Sequence[str], point: str | None) -> list[Job]:
    """The same strategies on a second model, if it can run them, at its own operating points."""
    own = point if point in points(engine) else None
    there = [name for name in names if name in engine.runnable]
    return jobs_of(engine, model, there or ["dense"], own, None, *default_values(engine, own))


def compared(jobs: Sequence[Job], measured: Sequence[Measured]) -> list[Compared]:
    """The measured strategies, each with its reference."""
    found: list[Compared] = []
    for job, one in zip(jobs, measured, strict=False):
        dense = next((other for other in found if other.model == job.model), None)
        if dense or not found:
            found.append(Compared(job.model, job.settings, one, dense.measured if dense else one))
        else:
            found.append(Compared(job.model, job.settings, one, found[0].measured, found[0].model))
    return found


def show(text: str, jobs: Sequence[Job], measured: Sequence[Measured], left_out: str, *, timing: bool) -> Shown:
    """What the tab shows for the measured strategies."""
    found = compared(jobs, measured)
    types = list(dict.fromkeys(chain.from_iterable(job.engine.labels.types for job in jobs)))
    report = own_report(jobs[0].engine)
    averages = [average_speedup(report, jobs[0].engine, job.strategy) for job in jobs if job.model == jobs[0].model]
    average = next(filter(None, reversed(averages)), "")
    head = answer(text, found, timing=timing, remarks=[left_out, language_remark(text)], average=average)
    line = cards.conditions(str(jobs[0].engine.device), torch.get_num_threads(), found)
    return Shown(head, panels.texts(found, types), cards.summary(found) + line + cards.cards(found))


def compare(text: str, jobs: Sequence[Job], going: Going = lambda: True, budget: Budget = PAGE) -> Iterator[Shown]:
    """Yields what the tab shows after the first pass; before a long one, yields how long it will take.

    Args:
        text: the visitor's text.
        jobs: the strategies, ``dense`` first.
        going: whether the result is still wanted; if not, nothing more comes.
        budget: how long it may take.

    Raises:
        InputError: the text cannot be tagged.
    """
    check_text(text)
    taggers = [tagger(job.engine, job.strategy) for job in jobs]
    seconds, affordable = affordable_taggers(text, taggers, budget)
    several = len({job.model for job in jobs}) > 1
    left_out = [job.strategy.name + (f" of {job.model}" if several else "") for job in jobs[affordable:]]
    without = f"Left out because this text is long: {', '.join(left_out)}." if left_out else ""
    if not going():
        return
    if seconds > 1:
        yield Shown(running(f"Running… about {seconds:.0f} s for this text. {without}"), "", "")
    measured = first_pass(text, taggers[:affordable], going)
    if len(measured) < affordable or not going():
        return
    rounds = affordable_rounds(measured, budget)
    shown = show(text, jobs, measured, without, timing=rounds > 0)
    yield replace(shown, ran=len(measured), rounds=rounds, left_out=without)


def refine(
    text: str, jobs: Sequence[Job], rounds: int, going: Going = lambda: True, left_out: str = ""
) -> Shown | None:
    """What the tab shows after more runs of all strategies; nothing if no round was completed."""
    taggers = [tagger(job.engine, job.strategy) for job in jobs]
    measured = more_rounds(text, taggers, rounds, going)
    return show(text, jobs, measured, left_out, timing=False) if measured else None


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which each request fills, visible or not."""
    runs = inputs.runs

    def chosen(names: list[str], beside: str, *settings: Any) -> list[Job]:
        jobs = jobs_of(engine, model_name(engine), names, *settings)
        second = inputs.others.get(beside)
        return jobs + (jobs_beside(second, beside, names, settings[0]) if second else [])

    def on_compare(
        request: gr.Request, number: int, text: str, names: list[str], beside: str, *settings: Any
    ) -> Iterator[list[Any]]:
        def going() -> bool:
            return runs.turns.is_latest(request.session_hash, number)

        try:
            for shown in compare(text, chosen(names, beside, *settings), going):
                if shown.texts:
                    mark = fingerprint([text, names, beside, *settings])
                    refining = (mark, shown.ran, shown.rounds, shown.left_out)
                    yield [shown.answer, shown.texts, shown.cards, number, refining]
                else:
                    yield [shown.answer, *[gr.skip()] * 4]
        except InputError as error:
            yield [failed(str(error)), "", "", number, NOTHING]
        # When a generator ends, Gradio sends its last values again, even over the message that a run was cancelled.
        yield [gr.skip()] * 5

    def on_refine(
        request: gr.Request,
        number: int,
        first: tuple[int | None, int, int, str],
        text: str,
        names: list[str],
        beside: str,
        *settings: Any,
    ) -> list[Any]:
        mark, ran, rounds, left_out = first

        def going() -> bool:
            return runs.turns.is_latest(request.session_hash, number)

        if not rounds or not going() or fingerprint([text, names, beside, *settings]) != mark:
            return [gr.skip()] * 2
        shown = refine(text, chosen(names, beside, *settings)[:ran], rounds, going, left_out)
        return [shown.answer, shown.cards] if shown and going() else [gr.skip()] * 2

    gr.HTML(LEGEND)
    texts = gr.HTML(js_on_load=panels.SCRIPT.read_text(encoding="utf-8"))
    figures = gr.HTML(js_on_load=cards.SCRIPT.read_text(encoding="utf-8"))
    first = gr.State(NOTHING)
    values = [inputs.text, inputs.strategies, inputs.beside, *inputs.settings]
    ran = runs.request.change(
        on_compare,
        [runs.request, *values],
        [runs.answer, texts, figures, runs.shown, first],
        trigger_mode="always_last",
        **WORK,
    )
    ran.failure(lambda: failed(UNAVAILABLE), None, runs.answer, **QUIET)
    refined = ran.success(on_refine, [runs.request, first, *values], [runs.answer, figures], **WORK | TIMING_WORK)
    refined.then(None, None, None, js=SETTLE, **QUIET)
