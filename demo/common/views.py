"""Tabs that show the run, drawn only while they are visible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.runs import Run
from demo.common.wiring import EVERY_CHANGE, QUIET

Draw = Callable[[Run, Compared], list[Any]]


@dataclass(frozen=True)
class View:
    """What a tab shows of the run.

    ``draw``: makes the values of the ``outputs``; it gets the run and the strategy shown.
    ``timed``: whether the tab shows times, so that it is drawn again once they are measured.
    """

    label: str
    draw: Draw
    outputs: Sequence[Any]
    timed: bool = False

    def on_select(self, before: object, run: Run | None, name: str) -> list[Any]:
        """A mark of what the tab shows, and the outputs, if that is not what it showed ``before``."""
        if run is None or (mark := (run.number, run.timed and self.timed, name)) == before:
            return [gr.skip()] * (1 + len(self.outputs))
        return [mark, *self.draw(run, run.shown(name))]

    def on_change(self, visible: str, *values: Any) -> list[Any]:
        """The same while the tab is visible."""
        return self.on_select(*values) if visible == self.label else [gr.skip()] * (1 + len(self.outputs))


def draw_when_visible(tab: gr.Tab, inputs: Inputs, draw: Draw, outputs: Sequence[Any], *, timed: bool = False) -> None:
    """Draws a tab when it is selected or, while it is visible, when the run or the strategy shown changes."""
    view, drawn = View(str(tab.label), draw, outputs, timed), gr.State()
    values = [drawn, inputs.run, inputs.panel.shown]
    selected = tab.select(lambda: tab.label, None, inputs.visible_tab, **QUIET)
    selected.then(view.on_select, values, [drawn, *outputs], **QUIET)
    for change in (inputs.run.change, inputs.panel.shown.change):
        change(view.on_change, [inputs.visible_tab, *values], [drawn, *outputs], **EVERY_CHANGE)
