"""The page: text and settings, one tab for each view of them. Tabs live in modules of their own."""

from __future__ import annotations

import gradio as gr

from demo.compare import build_compare
from demo.inputs import build_inputs
from engine import Engine

TITLE = "Token pruning for biomedical NER, while it runs"
INTRODUCTION = """
Each panel tags the same text with the same model, but spends a different amount of computing on it. Most words are
plainly neither a chemical nor a disease after a few layers of the encoder; a pruning strategy lets such words leave
there. <span class="left">Greyed, dotted words</span> left early (point at
them to see after which layer), words in plain type went through all layers, words that *came back* had
left and were computed again, and coloured words are what was found.
`dense` computes everything and is the reference: the lines above each text say how long the strategy took, how much
it computed, and where its result differs.
"""
FOOTER = '<p class="footer">Research use, not for clinical decisions.</p>'


def build_demo(engine: Engine) -> gr.Blocks:
    """The demo for an engine; launch it with ``demo.theme.LAUNCH``."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        inputs = build_inputs(engine)
        with gr.Tabs(), gr.Tab("Compare"):
            build_compare(engine, inputs)
        gr.HTML(FOOTER)
    return demo
