"""Tabs that work only while visible: selecting an outdated one updates it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from demo.common.blocks import EVERY_CHANGE, QUIET
from demo.common.inputs import Inputs
from demo.common.runs import fingerprint


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
    """Draws a tab when it is selected, or while it is visible, unless it already shows the current values.

    Args:
        inputs: the inputs above the tabs.
        tab: the tab.
        values: the components it depends on.
        changes: events that may change them.
        draw: takes their values and returns updates of the outputs.
        outputs: components of the tab.
        drawn: `fingerprint` of the values that the tab shows when the page opens.
        settings: settings of the listener that draws.
    """
    asked = gr.State(drawn)  # fingerprint of the values drawn last or about to be drawn
    request = gr.Number(visible="hidden")  # not a State: outside the queue, Gradio does not notice its changes

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
        change(on_change, inputs_now, [request, asked], **EVERY_CHANGE)
    drawing = request.change(on_request, values, outputs, trigger_mode="always_last", **settings)
    drawing.failure(lambda: None, None, asked, **QUIET)  # so selecting the tab again draws it
