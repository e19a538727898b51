"""The page: text and settings above one tab for each view of them."""

from __future__ import annotations

import gradio as gr

from demo.api import build_api
from demo.limits import QUEUE
from demo.page.blocks import Page
from demo.page.inputs import QUIET, build_inputs
from demo.shares import Shares
from demo.tabs import TABS
from engine import Engine

TITLE = "Adaptive token pruning for biomedical NER"
INTRODUCTION = """
After a few layers of an encoder, most words of a text are clearly not part of any entity. A pruning strategy decides at
run time which words still need computing and removes the others; recovery brings words back where the result looks
doubtful. `dense` removes nothing and is the reference. **Research use only, not for clinical decisions.**
"""
FOOTER = '<p class="footer">Research use only, not for clinical decisions.</p>'


def build_demo(engine: Engine) -> gr.Blocks:
    """The demo for an engine; launch it with ``demo.page.theme.LAUNCH``."""
    engine.pass_lock = Shares().of_call
    with Page(TITLE) as demo:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        inputs = build_inputs(engine, demo)
        with gr.Tabs(overflow_behavior="wrap"):
            for module in TABS:
                with gr.Tab(module.LABEL) as tab:
                    module.build(engine, inputs, tab)
                tab.select(lambda label=module.LABEL: label, None, inputs.visible_tab, **QUIET)
        gr.HTML(FOOTER)
        build_api(engine)
    return demo.queue(**QUEUE)
