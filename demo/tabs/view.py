"""What the tabs Layer by layer and Why have in common: one strategy, one result, one piece of markup with a script."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from demo.html.escape import notice
from demo.limits import MODEL_WORK
from demo.page.inputs import Inputs
from demo.page.seen import draw_when_seen, key
from demo.page.theme import script
from demo.settings import choices, chosen_strategy, text_problem
from engine import Engine, Result


def build_view(engine: Engine, inputs: Inputs, tab: gr.Tab, render: Callable[[Result], str], *scripts: str) -> None:
    """Builds the choice of a strategy and the view of its result, which starts with the page's first text.

    Args:
        engine: runs the strategy.
        inputs: the text and the settings; the view follows them.
        tab: the tab that is built.
        render: makes the markup.
        scripts: JavaScript files of the view.
    """

    def on_view(text: str, name: str, point: str | None, trigger: str | None, *values: float) -> list[str]:
        if problem := text_problem(text):
            return [notice(problem)]
        return [render(engine.tag(text, chosen_strategy(engine, name, point, trigger, values)))]

    names = choices(engine)
    strategy = gr.Radio(names, value="entropy" if "entropy" in names else names[0], label="Strategy shown")
    shown = [inputs.text, strategy, *inputs.settings]
    first = [component.value for component in shown]
    view = gr.HTML(*on_view(*first), js_on_load=script(*scripts))
    changes = [*inputs.changed, strategy.change]
    draw_when_seen(
        inputs, tab, shown, changes, on_view, [view], drawn=key(first), api_visibility="private", **MODEL_WORK
    )
