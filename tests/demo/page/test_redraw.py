"""Hidden tabs do nothing; the visible one is drawn again when it has to be."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from demo.app import build_demo
from demo.page.redraw import fingerprint
from demo.tabs import TABS
from engine import Engine

LABELS = [tab.LABEL for tab in TABS]
FOLLOWING = ["Layer by layer", "Why", "Frontier", "Take away"]


@pytest.fixture(scope="module")
def demo(engine: Engine) -> gr.Blocks:
    return build_demo(engine)


def functions(demo: gr.Blocks, name: str) -> list[Any]:
    return [function for function in demo.fns.values() if function.name == name]


def values(function: Any, states: int) -> list[Any]:
    """What the page holds at the beginning for the inputs of a listener, but for states."""
    return [component.value for component in function.inputs[states:]]


def test_a_change_concerns_the_visible_tab_and_no_other(demo: gr.Blocks) -> None:
    changes = functions(demo, "on_change")
    concerned = {
        label for function in changes for label in LABELS if function.fn(label, None, *values(function, 2)) != gr.skip()
    }
    assert concerned == set(FOLLOWING)
    for function in changes:
        assert sum(function.fn(label, None, *values(function, 2)) != gr.skip() for label in LABELS) == 1
        assert function.concurrency_id != "engine"  # it does not wait for the model


def test_a_tab_that_is_selected_again_is_not_drawn_again(demo: gr.Blocks) -> None:
    selects = functions(demo, "on_select")
    assert len(selects) == len(FOLLOWING)
    for function in selects:
        own = values(function, 1)
        assert function.fn(fingerprint(own), *own) == gr.skip()
        other = [*own[:-1], 0.77]
        assert function.fn(fingerprint(own), *other) < function.fn(
            fingerprint(own), *other
        )  # each request is a new one


def test_views_are_drawn_when_the_page_opens_and_what_is_drawn_is_remembered(demo: gr.Blocks) -> None:
    for function in functions(demo, "on_request"):
        own = values(function, 0)
        *_, last = function.fn(*own)
        assert last == fingerprint(own)
    starts = [function.inputs[0].value for function in functions(demo, "on_select")]
    views = [values(function, 1) for function in functions(demo, "on_select")[:2]]
    assert starts == [fingerprint(views[0]), fingerprint(views[1]), None, None]


def test_keystrokes_send_no_text(demo: gr.Blocks) -> None:
    (text,) = (block for block in demo.blocks.values() if isinstance(block, gr.Textbox) and block.label == "Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == {"blur"}


def test_fingerprints_tell_values_apart_and_numbers_not_by_their_type() -> None:
    assert fingerprint(["a", ["dense"], 0]) == fingerprint(["a", ["dense"], 0.0])
    assert (
        len({fingerprint(["a", ["dense"]]), fingerprint(["b", ["dense"]]), fingerprint(["a", ["dense", "rule"]])}) == 3
    )
