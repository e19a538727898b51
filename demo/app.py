"""The page: text and settings beside the tabs; each model has its own page."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from demo.api import build_api
from demo.common.blocks import QUIET, Page
from demo.common.documents import card_folders, links_of
from demo.common.inputs import build_inputs
from demo.common.intro import TITLE, build_intro
from demo.common.limits import QUEUE
from demo.common.links import build_choice, by_name, leave_on_choice, path_of
from demo.common.shares import SharedEngine, Shares
from demo.tabs import TABS
from engine import Engine

FOOTER = '<p class="footer">Research use only, not for clinical decisions.</p>'


class Demo(Page):
    """The page; it knows the folders of its models' cards."""

    def __init__(self, models: Mapping[str, Engine]) -> None:
        super().__init__(TITLE)
        self.card_folders = card_folders(models)


def build_demo(*engines: Engine) -> gr.Blocks:
    """Builds the demo for one or more engines; launch it with ``demo.common.theme.LAUNCH``.

    Raises:
        InputError: two engines have the same name.
    """
    shares = Shares()
    models = by_name([SharedEngine(engine, shares) for engine in engines])
    demo = Demo(models)
    for name, engine in models.items():
        path = path_of(name, models)
        with demo.route(name, path, show_in_navbar=False) if path else demo:
            build_page(name, models, demo)
            if not path:
                build_api(engine)
    return demo.queue(**QUEUE)


def build_page(name: str, models: Mapping[str, Engine], demo: gr.Blocks) -> None:
    """Builds the page of one model."""
    engine, others = models[name], {other: models[other] for other in models if other != name}
    build_intro(engine, links_of(name, models))
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=320, elem_classes="entry"):
            choice = build_choice(name, models, demo)
            inputs = build_inputs(engine, others, demo, TABS[0].LABEL, api=not path_of(name, models))
            leave_on_choice(engine, choice, [inputs.strategies, *inputs.settings], models)
        with gr.Column(scale=5, min_width=320, elem_classes="results"):
            inputs.runs.answer.render()
            with gr.Tabs(overflow_behavior="wrap"):
                for module in TABS:
                    with gr.Tab(module.LABEL) as tab:
                        module.build(engine, inputs, tab)
                    tab.select(lambda label=module.LABEL: label, None, inputs.visible_tab, **QUIET)
    gr.HTML(FOOTER)
