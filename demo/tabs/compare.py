"""The tab Compare: one text under several strategies, a panel for each, timed in turn."""

from __future__ import annotations

from typing import Any

import gradio as gr
import torch

from demo.html.cards import award_badges, card, conditions
from demo.html.escape import alert
from demo.html.highlights import RECOVERED, colours, segments
from demo.limits import MODEL_WORK, check_strategies, check_text
from demo.page.inputs import Inputs
from demo.results.timing import measure
from demo.settings import chosen_strategies
from engine import Engine, InputError

LABEL = "Compare"
LEGEND = f"""
<p class="note"><span class="left">Grey, dotted words</span> left early: point at them to see after which layer. Words
in plain type went through every layer. Words marked <em>{RECOVERED}</em> had left and were computed again. Coloured
words are entities.</p>
"""


def compare(engine: Engine, text: str, names: list[str], *settings: Any) -> list[Any]:
    """Updates of the line above the panels and, for every strategy on offer, of its panel, card and text.

    Args:
        engine: runs the strategies.
        text: the user's.
        names: the strategies to show; ``dense`` runs in any case.
        settings: those of the page, see `demo.settings.chosen_strategy`.
    """
    hidden = [gr.update(visible=False), None, None]
    try:
        check_text(text)
        names = check_strategies(names)
    except InputError as error:
        return [alert(str(error)), *hidden * len(engine.runnable)]
    running = [name for name in engine.runnable if name in names or name == "dense"]
    measured = dict(zip(running, measure(engine, text, chosen_strategies(engine, running, *settings)), strict=True))
    badges = award_badges(measured)
    updates: list[Any] = [conditions(str(engine.device), engine.dtype, torch.get_num_threads(), measured)]
    for name in engine.runnable:
        if name in names:
            one = measured[name]
            updates += [gr.update(visible=True), card(one, measured["dense"], badges[name]), segments(one.result)]
        else:
            updates += hidden
    return updates


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which is filled on request, whether it is visible or not."""

    def on_compare(text: str, names: list[str], *settings: Any) -> list[Any]:
        return compare(engine, text, names, *settings)

    color_map = colours(engine.labels.types, engine.encoder.num_layers)
    gr.HTML(LEGEND)
    outputs: list[Any] = [gr.HTML()]
    with gr.Row(elem_classes="panels"):
        for _ in engine.runnable:
            with gr.Column(visible=False, min_width=320) as panel:
                figures = gr.HTML()
                tokens = gr.HighlightedText(color_map=color_map, show_label=False, elem_classes="tokens")
            outputs += [panel, figures, tokens]
    for event in (*inputs.changed, inputs.opened):
        event(
            on_compare,
            [inputs.text, inputs.strategies, *inputs.settings],
            outputs,
            api_visibility="private",
            **MODEL_WORK,
        )
