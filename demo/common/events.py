"""Listeners of the page, and tabs that are drawn only while they are visible."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

# For handlers that are not part of the HTTP API; QUIET ones answer at once.
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
QUIET: dict[str, Any] = {"queue": False, **HIDDEN}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}


def fingerprint(values: Sequence[Any]) -> int:
    """A number that identifies the values of components, so that no text has to be kept."""
    # Hashes text, because −1 and −2 have the same hash; 1 and 1.0 are the same value of a setting.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))


def draw_when_visible(
    tab: gr.Tab,
    visible_tab: gr.State,
    values: Sequence[Any],
    changes: Sequence[Any],
    draw: Callable[..., list[Any]],
    outputs: Sequence[Any],
    drawn: int | None = None,
    **listener: Any,
) -> None:
    """Draws a tab when it is selected or, while it is visible, when a value changes; never twice for the same values.

    ``values``: the components that the tab depends on. ``changes``: events that may change their values.
    ``drawn``: `fingerprint` of the values for which the tab is drawn when the page opens.
    ``listener``: options of the listener that draws.
    """
    asked = gr.State(drawn)  # fingerprint of the values drawn last or about to be drawn
    request = gr.Number(visible="hidden")  # not a State: outside the queue, Gradio does not notice its changes

    def on_select(asked: int | None, *values: Any) -> list[Any]:
        mark = fingerprint(values)
        return [gr.skip()] * 2 if mark == asked else [time.time(), mark]

    def on_change(visible: str, asked: int | None, *values: Any) -> list[Any]:
        return on_select(asked, *values) if visible == tab.label else [gr.skip()] * 2

    tab.select(on_select, [asked, *values], [request, asked], **QUIET)
    for change in changes:
        change(on_change, [visible_tab, asked, *values], [request, asked], **EVERY_CHANGE)
    drawing = request.change(draw, values, outputs, trigger_mode="always_last", **listener)
    drawing.failure(lambda: None, None, asked, **QUIET)  # so that selecting the tab again draws it
