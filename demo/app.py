"""The page: text and settings, one tab for each view of them. Tabs live in modules of their own."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from demo.api import build_api
from demo.limits import QUEUE
from demo.page.blocks import Page
from demo.page.inputs import QUIET, Inputs, build_inputs
from demo.tabs.batch import build_batch
from demo.tabs.compare import build_compare
from demo.tabs.export import build_takeaway
from demo.tabs.frontier import build_frontier
from demo.tabs.layers import build_layers
from demo.tabs.why import build_why
from engine import Engine

TITLE = "Token pruning for biomedical NER, while it runs"
INTRODUCTION = """
Most words are plainly neither a chemical nor a disease after a few layers of an encoder. A pruning strategy decides,
while the encoder runs, which words still need computing, and lets the others leave; some may come back. `dense` lets
nobody leave and is the reference. **Research use, not for clinical decisions.**
"""
TABS: dict[str, Callable[[Engine, Inputs, gr.Tab], None]] = {
    "Compare": build_compare,
    "Layer by layer": build_layers,
    "Why": build_why,
    "Frontier": build_frontier,
    "Batch": build_batch,
    "Take away": build_takeaway,
}
FOOTER = '<p class="footer">Research use, not for clinical decisions.</p>'


def build_demo(engine: Engine) -> gr.Blocks:
    """The demo for an engine; launch it with ``demo.page.theme.LAUNCH``."""
    with Page(TITLE) as demo:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        inputs = build_inputs(engine, demo)
        with gr.Tabs(overflow_behavior="wrap"):
            for name, build in TABS.items():
                with gr.Tab(name) as tab:
                    build(engine, inputs, tab)
                tab.select(lambda name=name: name, None, inputs.seen, **QUIET)
        gr.HTML(FOOTER)
        build_api(engine)
    return demo.queue(**QUEUE)
