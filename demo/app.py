"""The demo: a page for each model, with text and settings beside the tabs."""

from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from demo.api import build_api
from demo.common.bet import Bet
from demo.common.inputs import build_inputs
from demo.common.intro import intro, own_model
from demo.common.limits import QUEUE
from demo.server.files import document_links
from demo.server.page import Page
from demo.tabs import TABS
from engine import Engine
from engine.models.shipped import short_name

COPY, KEYBOARD = (Path(__file__).parent / "common" / f"{name}.js" for name in ("copy", "keyboard"))
FOOTER = '<p class="footer">Research use only, not for clinical decisions.</p>'


def build_demo(first: Engine, *others: Engine) -> gr.Blocks:
    """Builds the demo of one engine or more; launch it with ``demo.server.LAUNCH``.

    Each has its own page: the first one at the root, any other at the short name of its weights.
    """
    further = {short_name(engine.source): engine for engine in others}
    engines = {"": first} | further
    with Page(first) as demo:
        build_page(first, demo, engines)
        build_api([first, *others])
    for address, engine in further.items():
        with demo.route(address, address, show_in_navbar=False):
            build_page(engine, demo, engines)
    return demo.queue(**QUEUE)


def build_page(engine: Engine, demo: Page, engines: Mapping[str, Engine]) -> None:
    """Builds the page of an engine inside the demo.

    ``engines``: those of all pages, by address.
    """
    gr.HTML(intro(engine, document_links(engine), engines))
    bet = Bet(engine)
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=320, elem_classes="entry"):
            inputs = build_inputs(engine, demo, bet, TABS[0].LABEL)
        with gr.Column(scale=5, min_width=320, elem_classes="results"):
            inputs.answer.render()
            with gr.Tabs(overflow_behavior="wrap"):
                for module in TABS:
                    with gr.Tab(module.LABEL) as tab:
                        module.build(engine, inputs, tab)
    gr.HTML(own_model(engine), js_on_load=COPY.read_text(encoding="utf-8"))
    gr.HTML(FOOTER, js_on_load=KEYBOARD.read_text(encoding="utf-8"))
