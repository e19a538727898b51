"""Tabs that work only while they are seen: when one is chosen, it is brought up to date if it has to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from demo.page.inputs import QUIET, Inputs


def key(values: Sequence[Any]) -> int:
    """A number that stands for the values of components; with it, no text need be kept."""
    return hash(tuple(tuple(value) if isinstance(value, list) else value for value in values))


def draw_when_seen(
    inputs: Inputs,
    tab: gr.Tab,
    values: Sequence[Any],
    changes: Sequence[Any],
    draw: Callable[..., list[Any]],
    outputs: Sequence[Any],
    drawn: int | None = None,
    **settings: Any,
) -> None:
    """Draws a tab anew when it is chosen, or while it is seen, if its values are not those that were drawn last.

    Args:
        inputs: what is above the tabs.
        tab: the tab.
        values: the components that it depends on.
        changes: events that may change them.
        draw: gets their values, returns updates of the outputs.
        outputs: components of the tab.
        drawn: `key` of the values that it shows from the beginning.
        settings: of the listener that draws.
    """
    last = gr.State(drawn)
    wish = gr.Number(visible="hidden")  # no state: outside the queue, Gradio does not notice that one changes

    def on_select(last: int | None, *values: Any) -> Any:
        # Each wish is a new number: drawing may have failed before, be it because the queue was full.
        return gr.skip() if key(values) == last else time.time()

    def on_change(seen: str, last: int | None, *values: Any) -> Any:
        return on_select(last, *values) if seen == tab.label else gr.skip()

    def on_wish(*values: Any) -> list[Any]:
        return [*draw(*values), key(values)]

    tab.select(on_select, [last, *values], wish, **QUIET)
    for change in changes:
        change(on_change, [inputs.seen, last, *values], wish, trigger_mode="always_last", **QUIET)
    wish.change(on_wish, values, [*outputs, last], trigger_mode="always_last", **settings)
