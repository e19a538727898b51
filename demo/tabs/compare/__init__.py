"""The tab Compare: runs several strategies on one text. Entities come first, then times are refined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import gradio as gr
import torch

from demo.common.events import HIDDEN, QUIET, fingerprint
from demo.common.inputs import Inputs
from demo.common.limits import MODEL_WORK, TIMING_WORK, check_strategies, check_text
from demo.common.links import model_name
from demo.common.reports import own_report
from demo.common.requests import Latest, cancelled, failed, running
from demo.common.timing import (
    PAGE,
    Budget,
    Timing,
    Wanted,
    affordable_rounds,
    estimate,
    first_pass,
    more_rounds,
    tagger,
)
from demo.settings import chosen_strategies, default_values, describe_settings, label, points
from demo.tabs.compare import cards, texts
from demo.tabs.compare.answer_text import answer_run, language_remark
from demo.tabs.compare.comparison import ModelStrategy, compare_all
from engine import Engine, InputError

LABEL = "Compare"
UNAVAILABLE = "The server could not run this, perhaps because too many requests are waiting. Press Run to try again."
# If times were not refined, e.g. because the text has changed, nothing more will come.
SETTLE = """() => document.dispatchEvent(new CustomEvent("settled"))"""
_LEGEND = """
<ul class="found-legend" aria-label="Entities and words, against dense">
<li><span class="mark same" data-colour="0" data-label="Type">same</span> as in <code>dense</code></li>
<li><span class="mark lost" data-colour="0" data-label="− Type">lost</span> only <code>dense</code> has it</li>
<li><span class="mark new" data-colour="0" data-label="+ Type">new</span> <code>dense</code> has none there</li>
<li><span class="mark changed" data-colour="0" data-label="↔ Type">changed</span> another border or type</li>
"""
_EXITS = """<li><span class="exited">word</span> exited early</li>
<li><span class="came">word</span> exited and came back</li>
"""


@dataclass(frozen=True)
class Refinement:
    """How to refine the times: the number of candidates that ran, of further rounds, and what was left out."""

    ran: int
    rounds: int
    left_out: str


@dataclass(frozen=True)
class Shown:
    """What the page shows, as markup; there is no refinement while nothing has run."""

    answer: str
    texts: str = ""
    cards: str = ""
    refinement: Refinement | None = None


def legend(*, has_gates: bool) -> str:
    """What the marks in the text mean; without gates no word exits."""
    exits, layer = (_EXITS, " or its layer") if has_gates else ("", "")
    return f'{_LEGEND}{exits}</ul>\n<p class="note">Point at a word to see its score{layer}.</p>'


def candidates_of(
    engine: Engine, model: str, names: Sequence[str], point: str | None, *settings: Any
) -> list[ModelStrategy]:
    """Dense and the chosen strategies, in page order."""
    names = check_strategies(list(names))
    in_order = [name for name in engine.runnable if name in names or name == "dense"]
    strategies = chosen_strategies(engine, in_order, point, *settings)
    return [
        ModelStrategy(engine, model, one, label(engine, one, point), describe_settings(engine, one, point))
        for one in strategies
    ]


def candidates_beside(engine: Engine, model: str, names: Sequence[str], point: str | None) -> list[ModelStrategy]:
    """The same strategies on a second model, if it can run them, at its own operating points."""
    own = point if point in points(engine) else None
    runnable = [name for name in names if name in engine.runnable]
    return candidates_of(engine, model, runnable or ["dense"], own, None, *default_values(engine, own))


def show(
    text: str, candidates: Sequence[ModelStrategy], timings: Sequence[Timing], refinement: Refinement, *, timing: bool
) -> Shown:
    """What the page shows for the candidates that ran; ``timing``: whether more runs follow."""
    candidates = candidates[: len(timings)]
    engine, model = candidates[0].engine, candidates[0].model
    compared = compare_all(candidates, timings)
    types = list(dict.fromkeys(chain.from_iterable(one.engine.labels.types for one in candidates)))
    report = own_report(engine)
    strategies = [one.strategy for one in candidates if one.model == model]
    averages = [report.average_speedup(one, engine.dtype) for one in strategies] if report else []
    average = next(filter(None, reversed(averages)), "")
    remarks = [refinement.left_out, language_remark(text)]
    return Shown(
        answer_run(text, compared, timing=timing, remarks=remarks, average=average),
        texts.texts(compared, types),
        cards.summary(compared)
        + cards.conditions(str(engine.device), torch.get_num_threads(), compared)
        + cards.cards(compared),
        refinement,
    )


def compare(
    text: str, candidates: Sequence[ModelStrategy], wanted: Wanted = lambda: True, budget: Budget = PAGE
) -> Iterator[Shown]:
    """Yields what the page shows after the first pass; before a long one, yields how long it will take.

    Nothing more comes once the result is not wanted.
    """
    check_text(text)
    taggers = [tagger(one.engine, one.strategy) for one in candidates]
    seconds, allowed = estimate(text, taggers, budget)
    several = len({one.model for one in candidates}) > 1
    names = [one.strategy.name + (f" of {one.model}" if several else "") for one in candidates[allowed:]]
    left_out = f"Left out because this text is long: {', '.join(names)}." if names else ""
    if not wanted():
        return
    if seconds > 1:
        yield Shown(running(f"Running… about {seconds:.0f} s for this text. {left_out}"))
    timings = first_pass(text, taggers[:allowed], wanted)
    if len(timings) == allowed and wanted():
        rounds = affordable_rounds(timings, budget)
        yield show(text, candidates, timings, Refinement(allowed, rounds, left_out), timing=rounds > 0)


def refine(
    text: str, candidates: Sequence[ModelStrategy], refinement: Refinement, wanted: Wanted = lambda: True
) -> Shown | None:
    """What the page shows after more runs of the candidates that ran; None if no round was finished."""
    taggers = [tagger(one.engine, one.strategy) for one in candidates[: refinement.ran]]
    timings = more_rounds(text, taggers, refinement.rounds, wanted)
    return show(text, candidates, timings, refinement, timing=False) if timings else None


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which each request fills, visible or not."""
    requests = inputs.requests

    def candidates(names: list[str], beside: str, *settings: Any) -> list[ModelStrategy]:
        own = candidates_of(engine, model_name(engine), names, *settings)
        second = inputs.others.get(beside)
        return own + (candidates_beside(second, beside, names, settings[0]) if second else [])

    def on_compare(latest: Latest, number: int, text: str, *choice: Any) -> Iterator[list[Any]]:
        last = gr.skip()
        try:
            for shown in compare(text, candidates(*choice), lambda: latest.number == number):
                if shown.refinement:
                    latest.shown = number
                    yield [shown.answer, shown.texts, shown.cards, (fingerprint([text, *choice]), shown.refinement)]
                    break
                yield [shown.answer, *[gr.skip()] * 3]
            else:  # not wanted any more; the page may have drawn the last answer over the message of Cancel
                last = cancelled() if latest.mark is None else last
        except InputError as error:
            latest.shown = number
            yield [failed(str(error)), "", "", None]
        # When a generator ends, Gradio sends its last values again.
        yield [last, *[gr.skip()] * 3]

    def on_refine(
        latest: Latest, number: int, ran: tuple[int, Refinement] | None, text: str, *choice: Any
    ) -> list[Any]:
        def wanted() -> bool:
            return latest.number == number

        if ran is None or not wanted() or ran[0] != fingerprint([text, *choice]):
            return [gr.skip()] * 2
        shown = refine(text, candidates(*choice), ran[1], wanted)
        return [shown.answer, shown.cards] if shown and wanted() else [gr.skip()] * 2

    gr.HTML(legend(has_gates=engine.has_gates))
    found = gr.HTML(js_on_load=texts.SCRIPT.read_text(encoding="utf-8"))
    figures = gr.HTML(js_on_load=cards.SCRIPT.read_text(encoding="utf-8"))
    ran = gr.State(None)  # fingerprint of the values that ran, and how to refine their times
    panel = inputs.panel
    values = [inputs.text, panel.strategies, panel.second_model, *panel.settings]
    started = requests.number.change(
        on_compare,
        [requests.latest, requests.number, *values],
        [requests.answer, found, figures, ran],
        trigger_mode="always_last",
        **HIDDEN,
        **MODEL_WORK,
    )
    started.failure(lambda: failed(UNAVAILABLE), None, requests.answer, **QUIET)
    refined = started.success(
        on_refine,
        [requests.latest, requests.number, ran, *values],
        [requests.answer, figures],
        trigger_mode="always_last",  # else the runs of a request would be skipped if those before it had not ended
        **HIDDEN,
        **TIMING_WORK,
    )
    refined.then(None, None, None, js=SETTLE, **QUIET)
