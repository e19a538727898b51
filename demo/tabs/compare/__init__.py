"""The tab Compare: runs several strategies on one text. Entities come first, then times are refined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.common.differences import Candidate, compare_all
from demo.common.inputs import Inputs
from demo.common.limits import MODEL_WORK, TIMING_WORK, check_strategies, check_text
from demo.common.markup import alert
from demo.common.requests import HIDDEN, QUIET, Latest, failed, fingerprint
from demo.common.timing import PAGE, Budget, Timing, Wanted, first_pass, more_rounds, tagger
from demo.common.turns import SharedEngine
from demo.settings import chosen_strategies
from demo.tabs.compare.card import card, language_remark, summary
from demo.tabs.compare.references import References
from demo.tabs.compare.texts import legend, texts
from engine import Engine, InputError

LABEL = "Compare"
FIRST_S = 8.0  # for the first pass; strategies that take longer are left out, but never the first one beside dense
UNAVAILABLE = "The server could not run this, perhaps because too many requests are waiting. Press Run to try again."
LOADING = '<p class="references">Timing float32 and the Hugging Face pipeline: some seconds the first time…</p>'
# If times were not refined, e.g. because the text has changed, nothing more will come.
SETTLE = """() => document.dispatchEvent(new CustomEvent("settled"))"""


@dataclass(frozen=True)
class Refinement:
    """How to refine the times: the number of candidates that ran, and what was left out."""

    ran: int
    left_out: str


@dataclass(frozen=True)
class Shown:
    """What the page shows, as markup, and how to refine its times."""

    answer: str
    figures: str
    texts: str
    refinement: Refinement


def candidates_of(engine: Engine, names: Sequence[str], point: str | None, *settings: Any) -> list[Candidate]:
    """Dense and the chosen strategies, in page order."""
    names = check_strategies(list(names))
    in_order = [name for name in engine.runnable if name in names or name == "dense"]
    return [Candidate.of(engine, one, point) for one in chosen_strategies(engine, in_order, point, *settings)]


def compare(
    engine: Engine,
    text: str,
    candidates: Sequence[Candidate],
    pace: float,
    wanted: Wanted = lambda: True,
) -> Shown | None:
    """What the page shows after the first pass; None once the result is not wanted.

    ``pace``: seconds that dense takes for a character.
    """
    affordable = int(FIRST_S / (pace * len(check_text(text))))
    allowed = min(len(candidates), max(2, affordable))
    names = ", ".join(one.strategy.name for one in candidates[allowed:])
    timings = first_pass(text, [tagger(engine, one.strategy) for one in candidates[:allowed]], wanted)
    if len(timings) < allowed or not wanted():
        return None
    left_out = f"Left out because this text is long: {names}." if names else ""
    return _show(engine, text, candidates, timings, Refinement(allowed, left_out), timing=True)


def refine(
    engine: Engine,
    text: str,
    candidates: Sequence[Candidate],
    refinement: Refinement,
    wanted: Wanted = lambda: True,
    budget: Budget = PAGE,
) -> Shown | None:
    """What the page shows after more runs of the candidates that ran; None if no round was finished."""
    taggers = [tagger(engine, one.strategy) for one in candidates[: refinement.ran]]
    timings = more_rounds(text, taggers, budget, wanted)
    return _show(engine, text, candidates, timings, refinement, timing=False) if timings else None


def _show(
    engine: Engine,
    text: str,
    candidates: Sequence[Candidate],
    timings: Sequence[Timing],
    refinement: Refinement,
    *,
    timing: bool,
) -> Shown:
    compared = compare_all(candidates, timings)
    remarks = [refinement.left_out, language_remark(text)]
    return Shown(
        card(text, compared, timing=timing, remarks=remarks),
        summary(compared),
        texts(compared, engine.labels.types),
        refinement,
    )


def build(engine: SharedEngine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which each request fills, visible or not."""
    requests, references = inputs.requests, References(engine)

    def on_compare(latest: Latest, number: int, text: str, *choice: Any) -> list[Any]:
        try:
            shown = compare(engine, text, candidates_of(engine, *choice), inputs.pace, lambda: latest.number == number)
        except InputError as error:
            latest.shown = number
            return [failed(str(error)), "", "", None]
        if shown is None:
            return [gr.skip()] * 4
        latest.shown = number
        return [shown.answer, shown.figures, shown.texts, (fingerprint([text, *choice]), shown.refinement)]

    def on_refine(
        latest: Latest, number: int, ran: tuple[int, Refinement] | None, text: str, *choice: Any
    ) -> list[Any]:
        def wanted() -> bool:
            return latest.number == number

        if ran is None or not wanted() or ran[0] != fingerprint([text, *choice]):
            return [gr.skip()] * 2
        shown = refine(engine, text, candidates_of(engine, *choice), ran[1], wanted)
        return [shown.answer, shown.figures] if shown and wanted() else [gr.skip()] * 2

    def on_references(latest: Latest, number: int, text: str, *choice: Any) -> Iterator[str]:
        yield LOADING
        try:
            own = candidates_of(engine, *choice)[-1]
            yield references.compare(text, own, lambda: latest.number == number)
        except InputError as error:
            yield alert(str(error))

    gr.HTML(legend(has_gates=engine.has_gates or engine.small is not None))
    figures = gr.HTML()
    found = gr.HTML()
    ran = gr.State(None)  # fingerprint of the values that ran, and how to refine their times
    values = [inputs.text, *inputs.choice]
    started = requests.number.change(
        on_compare,
        [requests.latest, requests.number, *values],
        [requests.answer, figures, found, ran],
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
    requests.answer.select(
        on_references,
        [requests.latest, requests.number, *values],
        requests.references,
        **HIDDEN,
        **TIMING_WORK,
    )
