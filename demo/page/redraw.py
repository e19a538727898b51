"""Tabs that work only while they are visible: selecting one brings it up to date if it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from demo.page.blocks import QUICK, QUIET
from demo.page.inputs import Inputs
from demo.page.turns import fingerprint


def redraw_when_visible(
    inputs: Inputs,
    tab: gr.Tab,
    values: Sequence[Any],
    changes: Sequence[Any],
    draw: Callable[..., list[Any]],
    outputs: Sequence[Any],
    drawn: int | None = None,
    **settings: Any,
) -> None:
    """Draws a tab when it is selected, or while it is visible, unless it already shows its present values.

    Args:
        inputs: the inputs above the tabs.
        tab: the tab.
        values: the components that it depends on.
        changes: events that may change them.
        draw: takes their values, returns updates of the outputs.
        outputs: components of the tab.
        drawn: `fingerprint` of the values that the tab shows when the page opens.
        settings: of the listener that draws.
    """
    asked = gr.State(drawn)  # a fingerprint of the values that were drawn last, or are about to be
    request = gr.Number(visible="hidden")  # no state: outside the queue, Gradio does not notice that one changes

    def on_select(asked: int | None, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        return [gr.skip()] * 2 if mark == asked else [time.time(), mark]

    def on_change(visible: str, asked: int | None, *values: Any) -> list[Any]:
        return on_select(asked, *values) if visible == tab.label else [gr.skip()] * 2

    def on_request(*values: Any) -> list[Any]:
        return draw(*values)

    tab.select(on_select, [asked, *values], [request, asked], **QUIET)
    for change in changes:
        inputs_now = [inputs.visible_tab, asked, *values]
        change(on_change, inputs_now, [request, asked], **QUICK)
    drawing = request.change(on_request, values, outputs, trigger_mode="always_last", **settings)
    drawing.failure(lambda: None, None, asked, **QUIET)  # so that selecting the tab again draws it
