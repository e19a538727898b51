"""The page: text and settings beside the tabs; each model has its own page."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from demo.api import build_api
from demo.common.events import QUIET
from demo.common.inputs import build_inputs
from demo.common.intro import TITLE, build_intro
from demo.common.limits import QUEUE
from demo.common.links import build_model_choice, by_name, leave_on_choice, path_of
from demo.server.files import card_folders, document_links
from demo.server.page import Page
from demo.server.scheduler import ScheduledEngine, Scheduler
from demo.tabs import TABS
from engine import Engine

FOOTER = '<p class="footer">Research use only, not for clinical decisions.</p>'


def build_demo(*engines: Engine) -> gr.Blocks:
    """Builds the demo for one or more engines; launch it with ``demo.server.LAUNCH``."""
    scheduler = Scheduler()
    models = by_name([ScheduledEngine(engine, scheduler) for engine in engines])
    demo = Page(TITLE, card_folders(models))
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
    build_intro(engine, document_links(name, models))
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=320, elem_classes="entry"):
            choice = build_model_choice(name, models, demo)
            inputs = build_inputs(engine, others, demo, TABS[0].LABEL, api=not path_of(name, models))
            leave_on_choice(engine, choice, inputs.choice, models)
        with gr.Column(scale=5, min_width=320, elem_classes="results"):
            inputs.requests.answer.render()
            with gr.Tabs(overflow_behavior="wrap"):
                for module in TABS:
                    with gr.Tab(module.LABEL) as tab:
                        module.build(engine, inputs, tab)
                    tab.select(lambda label=module.LABEL: label, None, inputs.visible_tab, **QUIET)
    gr.HTML(FOOTER)
