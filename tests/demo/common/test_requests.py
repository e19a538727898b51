"""A visitor's latest request wins; hidden tabs do nothing; no listener sets off another for ever."""

import gradio as gr
import pytest

from demo.common.requests import Latest, build_requests, fingerprint
from demo.tabs import TABS
from tests.demo.conftest import components, listeners

TEXT = "Famotidine-associated delirium."
LABELS = [tab.LABEL for tab in TABS]
FOLLOWING = ["Watch", "Why", "Evidence", "Use in code"]
NOTHING = [gr.skip()] * 2


def test_an_edit_that_changes_nothing_is_no_request_but_the_button_always_is(demo):
    edit, latest = listeners(demo, "on_edit")[0].fn, Latest()
    number, line, references = edit(latest, TEXT, ["dense"])
    assert latest.number == number
    assert "Running" in line
    assert references == "", "they are of the text before"
    assert edit(latest, TEXT, ["dense"]) == [gr.skip()] * 3
    again, *_ = edit(latest, TEXT, ["dense", "entropy"])
    assert latest.number == again > number
    listeners(demo, "on_cancel")[0].fn(latest, again)
    assert edit(latest, TEXT, ["dense", "entropy"])[0] > again
    request, latest = listeners(demo, "on_request")[0].fn, Latest()
    numbers = [request(latest, TEXT, ["dense"])[0] for _ in range(2)]
    assert numbers[0] < numbers[1] == latest.number
    assert Latest().take() > latest.number, "not even another session has the same number"


@pytest.mark.parametrize(("text", "said"), [(TEXT, False), (TEXT * 1000, True)])
def test_a_long_text_is_estimated_at_once(engine, text, said):
    run, cancel = gr.Button(render=False), gr.Button(render=False)
    with gr.Blocks() as page:
        build_requests(gr.Textbox(), [gr.CheckboxGroup()], [], run, cancel, pace=1e-3)
    _, line, _ = listeners(page, "on_request")[0].fn(Latest(), text, ["dense", "entropy"])
    assert ("about 62 s for this text" in line) == said


@pytest.mark.parametrize(("shown", "said"), [(7, False), (6, True)])
def test_cancel_ends_the_request_and_keeps_what_is_shown_already(demo, shown, said):
    latest = Latest(7, shown=shown)
    line = listeners(demo, "on_cancel")[0].fn(latest, 7)
    assert latest.number != 7
    assert ("Cancelled" in line) if said else line == gr.skip()


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


def test_no_change_goes_round_between_listeners(demo):
    deferring = [function for function in demo.fns.values() if function.trigger_mode == "always_last"]
    sources = [block for function in deferring for block, event in function.targets if event == "change"]
    assert sources
    assert len(sources) == len(set(sources)), "two that defer would set each other off for ever"


def test_keystrokes_send_no_text(demo):
    (text,) = components(demo, gr.Textbox, label="Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == {"blur"}
