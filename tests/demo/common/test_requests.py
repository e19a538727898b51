"""A visitor's latest request wins; hidden tabs do nothing; no listener sets off another for ever."""

from dataclasses import replace

import gradio as gr
import pytest

from demo.common import runs
from demo.common.inputs import View
from demo.common.requests import Latest, Requests
from tests.demo.conftest import components, page_values
from tests.demo.tabs.conftest import beside, run_of

TEXT = "Famotidine-associated delirium."
NOTHING = [gr.skip()] * 2


@pytest.fixture
def requests(engine, monkeypatch):
    monkeypatch.setattr(runs, "SECONDS", 0)
    return Requests(engine)


@pytest.fixture
def values(engine):
    """Those of the components on which a run depends."""
    return TEXT, ["rule"], None, "", *page_values(engine, rule_lambda_=1.5)


def taken(*values):
    """A request for these values."""
    (latest := Latest()).take(*values)
    return latest


def run(requests, latest, values, before=None):
    """The run of a request, which answers step by step."""
    return requests.run(latest, before, "rule", *values, progress=lambda *_: None)


def test_an_edit_that_changes_nothing_is_no_request_but_the_button_always_is(requests):
    latest = Latest()
    line, number = requests.edit(latest, TEXT, ["dense"]), latest.number
    assert latest.wants(number)
    assert "Running" in line
    assert requests.edit(latest, TEXT, ["dense"]) == gr.skip()
    requests.edit(latest, TEXT, ["dense", "entropy"])
    again = latest.number
    assert [latest.wants(one) for one in (number, again)] == [False, True]
    latest.cancel()
    assert not latest.wants(again)
    requests.edit(latest, TEXT, ["dense", "entropy"])
    assert latest.number > again
    first = latest.number
    requests.request(latest, TEXT, ["dense", "entropy"])
    assert latest.wants(last := latest.number)
    assert last > first
    assert Latest().take() > last, "not even another visitor has the same number"


def test_cancel_ends_a_run_and_the_answer_keeps_the_entities_that_it_shows(requests, values):
    steps = run(requests, latest := taken(*values), values)
    _, found = next(steps)
    assert requests.cancel(latest, found) == gr.skip()
    ((line, ended),) = steps
    assert "no times were measured" in line
    assert 'data-state="done"' in line
    assert ended.compared == found.compared
    assert requests.show(latest, ended, "dense").count('data-state="done"') == 1
    latest = taken(*values)
    assert "Cancelled" in requests.cancel(latest, ended), "that run is an earlier one"
    assert list(run(requests, latest, values)) == []


def test_a_run_that_another_request_ends_leaves_the_answer_to_that_one(requests, values):
    steps = run(requests, latest := taken(*values), values)
    next(steps)
    requests.edit(latest, "another text", *values[1:])
    assert list(steps) == [NOTHING], "what came last would be sent once more"


def test_only_the_visible_tab_is_drawn_and_the_same_run_only_once(engine):
    result = engine.tag(TEXT, "dense")
    run = run_of(beside(result, result), text=TEXT)
    view = View("Watch", lambda run, outcome: [outcome.name], [None])
    assert view.on_change("Compare", None, run, "dense") == NOTHING
    mark, shown = view.on_change("Watch", None, run, "dense")
    assert shown == "dense"
    assert view.on_change("Watch", mark, run, "dense") == NOTHING
    assert view.on_change("Watch", None, None, "dense") == NOTHING, "there is no run yet"
    timed = replace(view, timed=True)
    mark, _ = timed.on_change("Watch", None, run_of(beside(result, result, runs_ms=())), "dense")
    assert timed.on_change("Watch", mark, run, "dense") != NOTHING


def test_a_run_answers_twice_names_the_strategy_shown_with_its_settings_and_has_the_baselines(requests, values, engine):
    first, last = run(requests, latest := taken(*values), values)
    assert 'data-state="timing"' in first[0]
    assert 'data-state="done"' in last[0]
    assert "<code>rule (float32), λ 1.5</code> <strong>" in last[0]
    assert last[1].compared[1].result.strategy == engine.strategy("rule", lambda_=1.5)
    assert [one.name for one in last[1].compared] == ["dense", "rule", "truncate-1"]
    assert [answer.timed for _, answer in (first, last)] == [False, True]
    assert latest.wants(last[1].number)


def test_whatever_order_answers_reach_the_page_in_its_values_run_once(requests, values):
    text, _, *settings = new = values
    old = text, ["dense"], *settings
    requests.edit(latest := Latest(), *new)
    requests.edit(latest, *old)  # sent before the other, and handled after it
    *_, (line, found) = run(requests, latest, new)
    assert found.compared[1].name == "rule"
    assert list(run(requests, latest, new, found)) == [[line, gr.skip()]], "its line says again what was found"
    requests.edit(latest, *old)
    (_, other), *_ = run(requests, latest, old, found)
    assert other.number == latest.number > found.number, "another request is run"


def test_two_events_of_one_request_start_one_run_and_what_failed_may_be_tried_again(requests, values):
    steps = run(requests, latest := taken(*values), values)
    next(steps)
    assert list(run(requests, latest, values)) == [], "it is being answered"
    assert len(list(steps)) == 1
    latest = taken(*(empty := (" ", *values[1:])))
    for _ in range(2):
        ((line, none),) = run(requests, latest, empty)
        assert (none, "no text yet" in line) == (None, True)


def test_each_request_is_followed_by_a_run_without_a_component_between_them(demo):
    """Gradio reports changes of a state only for events in the queue, and requests are not."""
    asked = [one for one in demo.fns.values() if one.name in ("edit", "request")]
    followed = [one.trigger_after for one in demo.fns.values() if one.name == "run"]
    assert len(asked) > 1
    assert sorted(followed) == sorted(one._id for one in asked)


def test_no_change_goes_round_between_listeners(demo):
    deferring = [function for function in demo.fns.values() if function.trigger_mode == "always_last"]
    sources = [block for function in deferring for block, event in function.targets if event == "change"]
    assert sources
    assert len(sources) == len(set(sources)), "two that defer would set each other off for ever"


def test_keystrokes_send_no_text(demo):
    (text,) = components(demo, gr.Textbox, label="Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == set()
