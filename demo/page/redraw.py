"""Tabs that work only while they are visible: selecting one brings it up to date if it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from demo.page.inputs import QUIET, Inputs


def fingerprint(values: Sequence[Any]) -> int:
    """A number that stands for the values of components, so that no text has to be kept."""
    return hash(tuple(tuple(value) if isinstance(value, list) else value for value in values))


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
    last = gr.State(drawn)
    request = gr.Number(visible="hidden")  # no state: outside the queue, Gradio does not notice that one changes

    def on_select(last: int | None, *values: Any) -> Any:
        # Every request is a new number, since the previous drawing may have failed, say because the queue was full.
        return gr.skip() if fingerprint(values) == last else time.time()

    def on_change(visible: str, last: int | None, *values: Any) -> Any:
        return on_select(last, *values) if visible == tab.label else gr.skip()

    def on_request(*values: Any) -> list[Any]:
        return [*draw(*values), fingerprint(values)]

    tab.select(on_select, [last, *values], request, **QUIET)
    for change in changes:
        change(on_change, [inputs.visible_tab, last, *values], request, trigger_mode="always_last", **QUIET)
    request.change(on_request, values, [*outputs, last], trigger_mode="always_last", **settings)
