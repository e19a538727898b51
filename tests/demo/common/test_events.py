"""Hidden tabs do nothing; the visible one is redrawn when needed; no listener sets off another for ever."""

import gradio as gr

from demo.common.events import fingerprint
from demo.tabs import TABS
from tests.demo.blocks import components, listeners

LABELS = [tab.LABEL for tab in TABS]
FOLLOWING = ["Layer by layer", "Why", "Reports", "Export"]
NOTHING = [gr.skip()] * 2


def values(function, states):
    """The page's initial values for a listener's inputs, except states."""
    return [component.value for component in function.inputs[states:]]


def test_a_change_concerns_the_visible_tab_and_no_other(demo):
    concerned = []
    for function in listeners(demo, "on_change"):
        own = [label for label in LABELS if function.fn(label, None, *values(function, 2)) != NOTHING]
        assert len(own) == 1
        assert function.concurrency_id != "engine"  # it does not wait for the model
        concerned += own
    assert set(concerned) == set(FOLLOWING)


def test_a_tab_that_is_selected_again_is_not_drawn_again(demo):
    selects = listeners(demo, "on_select")
    assert len(selects) == len(FOLLOWING)
    for function in selects:
        own = values(function, 1)
        assert function.fn(fingerprint(own), *own) == NOTHING
        other = [*own[:-1], 0.77]
        first, mark = function.fn(fingerprint(own), *other)
        assert mark == fingerprint(other)
        assert first < function.fn(fingerprint(own), *other)[0]  # each request is a new one


def test_views_are_drawn_when_the_page_opens_and_what_is_drawn_is_remembered(demo):
    in_order = [label for label in LABELS if label in FOLLOWING]
    for label, function in zip(in_order, listeners(demo, "on_select"), strict=True):
        drawn = fingerprint(values(function, 1)) if label in ("Layer by layer", "Why") else None
        assert function.inputs[0].value == drawn


def test_no_change_goes_round_between_listeners(demo):
    deferring = [function for function in demo.fns.values() if function.trigger_mode == "always_last"]
    sources = [block for function in deferring for block, event in function.targets if event == "change"]
    assert sources
    assert len(sources) == len(set(sources)), "two that defer would set each other off for ever"


def test_keystrokes_send_no_text(demo):
    (text,) = components(demo, gr.Textbox, label="Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == {"blur"}
