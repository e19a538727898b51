"""The tab Compare: a table and the marked text of each strategy."""

import gradio as gr

from demo.common.card import summary
from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.runs import Run
from demo.common.views import draw_when_visible
from demo.tabs.compare.texts import legend, texts
from engine import Engine
from engine.pruning.strategy_names import DENSE

LABEL = "Compare"


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    gr.HTML(legend(has_gates=engine.runnable != [DENSE]))
    figures, marked = gr.HTML(), gr.HTML()

    def draw(run: Run, _: Compared) -> list[str]:
        return [summary(run.compared), texts(run.compared, engine.labels.types)]

    draw_when_visible(tab, inputs, draw, [figures, marked], timed=True)
