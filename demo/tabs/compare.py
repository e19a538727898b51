"""The tab Compare: one text, one panel for each strategy, measured in turn."""

from __future__ import annotations

from typing import Any

import gradio as gr
import torch

from demo.html import cards as presenters
from demo.html.escape import notice
from demo.limits import MODEL_WORK
from demo.measuring import measure
from demo.page.inputs import Inputs
from demo.settings import choices, chosen_strategy, text_problem
from engine import Engine

LEGEND = """
<p class="conditions"><span class="left">Greyed, dotted words</span> left early (point at them to see after which
layer), words in plain type went through all layers, words marked as <em>came back</em> had left and were computed
again, coloured words are what was found.</p>
"""


def compare(
    engine: Engine, text: str, names: list[str], point: str | None, trigger: str | None, *values: float
) -> list[Any]:
    """Updates of the line above the panels and, for every choice, of its panel, card and text.

    Args:
        engine: runs the strategies.
        text: of the user.
        names: the strategies to show; ``dense`` runs in any case.
        point: operating point of the strategies that have some.
        trigger: of recovery.
        values: of the sliders, in the order of `demo.settings.knobs`.
    """
    hidden = [gr.update(visible=False), None, None]
    every = choices(engine)
    problem = text_problem(text) or (None if names else "No strategy is chosen: choose at least one.")
    if problem:
        return [notice(problem), *hidden * len(every)]
    running = [name for name in every if name in names or name == "dense"]
    strategies = [chosen_strategy(engine, name, point, trigger, values) for name in running]
    measured = dict(zip(running, measure(engine, text, strategies), strict=True))
    dense = measured["dense"]
    marks = presenters.distinctions(measured)
    above = presenters.conditions(str(engine.device), engine.dtype, torch.get_num_threads(), measured)
    updates: list[Any] = [above]
    for name in every:
        if name in names:
            card = presenters.card(measured[name], dense, marks[name])
            updates += [gr.update(visible=True), card, presenters.segments(measured[name].result)]
        else:
            updates += hidden
    return updates


def build_compare(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which is filled when asked for, whichever tab is seen."""
    colours = presenters.colours(engine.labels.types, engine.encoder.num_layers)

    def on_compare(text: str, names: list[str], *settings: Any) -> list[Any]:
        return compare(engine, text, names, *settings)

    gr.HTML(LEGEND)
    outputs: list[Any] = [gr.HTML()]
    with gr.Row(elem_classes="panels"):
        for _ in choices(engine):
            with gr.Column(visible=False, min_width=320) as panel:
                card = gr.HTML()
                tokens = gr.HighlightedText(color_map=colours, show_label=False, elem_classes="tokens")
            outputs += [panel, card, tokens]
    for event in (*inputs.changed, inputs.opened):
        event(
            on_compare,
            [inputs.text, inputs.strategies, *inputs.settings],
            outputs,
            api_visibility="private",
            **MODEL_WORK,
        )
