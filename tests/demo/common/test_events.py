"""Hidden tabs do nothing; the visible one is redrawn when needed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.common.events import fingerprint
from demo.tabs import TABS

LABELS = [tab.LABEL for tab in TABS]
FOLLOWING = ["Layer by layer", "Why", "Frontier", "Take away"]


def functions(demo: gr.Blocks, name: str) -> list[Any]:
    return [function for function in demo.fns.values() if function.name == name]


def values(function: Any, states: int) -> list[Any]:
    """The page's initial values for a listener's inputs, except states."""
    return [component.value for component in function.inputs[states:]]


NOTHING = [gr.skip()] * 2


def test_a_change_concerns_the_visible_tab_and_no_other(demo: gr.Blocks) -> None:
    changes = functions(demo, "on_change")
    concerned = {
        label for function in changes for label in LABELS if function.fn(label, None, *values(function, 2)) != NOTHING
    }
    assert concerned == set(FOLLOWING)
    for function in changes:
        assert sum(function.fn(label, None, *values(function, 2)) != NOTHING for label in LABELS) == 1
        assert function.concurrency_id != "engine"  # it does not wait for the model


def test_a_tab_that_is_selected_again_is_not_drawn_again(demo: gr.Blocks) -> None:
    selects = functions(demo, "on_select")
    assert len(selects) == len(FOLLOWING)
    for function in selects:
        own = values(function, 1)
        assert function.fn(fingerprint(own), *own) == NOTHING
        other = [*own[:-1], 0.77]
        first, mark = function.fn(fingerprint(own), *other)
        assert mark == fingerprint(other)
        assert first < function.fn(fingerprint(own), *other)[0]  # each request is a new one


def test_views_are_drawn_when_the_page_opens_and_what_is_drawn_is_remembered(demo: gr.Blocks) -> None:
    starts = [function.inputs[0].value for function in functions(demo, "on_select")]
    views = [values(function, 1) for function in functions(demo, "on_select")]
    by_tab = dict(zip((label for label in LABELS if label in FOLLOWING), zip(starts, views, strict=True), strict=True))
    for label, (start, own) in by_tab.items():
        assert start == (fingerprint(own) if label in ("Layer by layer", "Why") else None)


def test_keystrokes_send_no_text(demo: gr.Blocks) -> None:
    (text,) = (block for block in demo.blocks.values() if isinstance(block, gr.Textbox) and block.label == "Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == {"blur"}
