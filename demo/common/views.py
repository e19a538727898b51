"""Tabs that show the run, drawn only while they are visible."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.runs import Run
from demo.common.wiring import EVERY_CHANGE, QUIET

Draw = Callable[[Run, Compared], list[Any]]


def draw_when_visible(tab: gr.Tab, inputs: Inputs, draw: Draw, outputs: Sequence[Any], *, timed: bool = False) -> None:
    """Draws a tab when it is selected or, while it is visible, when the run or the strategy shown changes.

    ``draw``: makes the values of the outputs; it gets the run and the strategy shown.
    ``timed``: whether the tab shows times, so that it is drawn again once they are measured.
    """
    drawn = gr.State()  # what the tab shows
    run, shown = inputs.requests.run, inputs.panel.shown

    def on_select(before: object, run: Run | None, name: str) -> list[Any]:
        if run is None or (mark := (run.number, run.timed and timed, name)) == before:
            return [gr.skip()] * (1 + len(outputs))
        return [mark, *draw(run, run.shown(name))]

    def on_change(visible: str, *values: Any) -> list[Any]:
        return on_select(*values) if visible == tab.label else [gr.skip()] * (1 + len(outputs))

    selected = tab.select(lambda: tab.label, None, inputs.visible_tab, **QUIET)
    selected.then(on_select, [drawn, run, shown], [drawn, *outputs], **QUIET)
    for change in (inputs.requests.drawn.change, shown.change):
        change(on_change, [inputs.visible_tab, drawn, run, shown], [drawn, *outputs], **EVERY_CHANGE)
