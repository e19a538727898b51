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


def taken(*values):
    """A request for these values."""
    latest = Latest()
    latest.take(*values)
    return latest


def answers(requests, latest, before, *values, progress=lambda *_: None):
    return list(requests.run(latest, before, "rule", *values, progress=progress))


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


def test_cancel_ends_a_run_and_the_answer_keeps_the_entities_that_it_shows(requests, engine):
    values = TEXT, ["rule"], None, "", *page_values(engine)
    latest = taken(*values)
    run = requests.run(latest, None, "rule", *values, progress=lambda *_: None)
    _, found = next(run)
    assert requests.cancel(latest, found) == gr.skip()
    ((line, ended),) = run
    assert "no times were measured" in line
    assert 'data-state="done"' in line
    assert ended.compared == found.compared
    assert requests.show(latest, ended, "dense").count('data-state="done"') == 1
    latest = taken(*values)
    assert "Cancelled" in requests.cancel(latest, ended), "that run is an earlier one"
    assert answers(requests, latest, None, *values) == []


def test_a_run_that_another_request_ends_leaves_the_answer_to_that_one(requests, engine):
    values = TEXT, ["rule"], None, "", *page_values(engine)
    latest = taken(*values)
    run = requests.run(latest, None, "rule", *values, progress=lambda *_: None)
    next(run)
    requests.edit(latest, "another text", *values[1:])
    assert list(run) == [NOTHING], "what came last would be sent once more"


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


def test_a_run_answers_twice_names_the_strategy_shown_and_has_the_baselines(requests, engine):
    values = TEXT, ["rule"], None, "", *page_values(engine)
    latest = taken(*values)
    first, last = answers(requests, latest, None, *values)
    assert 'data-state="timing"' in first[0]
    assert 'data-state="done"' in last[0]
    assert "<code>rule (float32)</code> <strong>" in last[0]
    assert [one.name for one in last[1].compared] == ["dense", "rule", "truncate-1"]
    assert [run.timed for _, run in (first, last)] == [False, True]
    assert latest.wants(last[1].number)
    ((line, run),) = answers(requests, taken(" ", *values[1:]), None, " ", *values[1:])
    assert (run, "no text yet" in line) == (None, True)


def test_whatever_order_answers_reach_the_page_in_its_values_run_once(requests, engine):
    new, old = ([TEXT, [name], None, "", *page_values(engine)] for name in ("rule", "dense"))
    requests.edit(latest := Latest(), *new)
    requests.edit(latest, *old)  # sent before the other, and handled after it
    *_, (line, run) = answers(requests, latest, None, *new)
    assert run.compared[1].name == "rule"
    assert answers(requests, latest, run, *new) == [[line, gr.skip()]], "its line says again what was found"
    requests.edit(latest, *old)
    assert answers(requests, latest, run, *old)[0][1].number == latest.number > run.number, "another request is run"


def test_two_events_of_one_request_start_one_run_and_what_failed_may_be_tried_again(requests, engine):
    values = TEXT, ["rule"], None, "", *page_values(engine)
    latest = taken(*values)
    run = requests.run(latest, None, "rule", *values, progress=lambda *_: None)
    next(run)
    assert answers(requests, latest, None, *values) == [], "it is being answered"
    assert len(list(run)) == 1
    latest = taken(" ", *values[1:])
    failures = [answers(requests, latest, None, " ", *values[1:]) for _ in range(2)]
    assert failures[0] == failures[1] != []


def test_each_request_is_followed_by_a_run_without_a_component_between_them(demo):
    """Gradio reports changes of a state only for events in the queue, and requests are not."""
    asked = [one for one in demo.fns.values() if one.name in ("edit", "request")]
    followed = [one.trigger_after for one in demo.fns.values() if one.name == "run"]
    assert len(asked) > 1
    assert sorted(followed) == sorted(one._id for one in asked)


def test_settings_and_trigger_reach_the_strategies_that_have_them(requests, engine):
    names = ["rule", "rule+recovery", "entropy", "entropy+recovery"]
    values = page_values(
        engine, rule_lambda_=1.5, rule_min_keep_ratio=0.25, entropy_max_entropy=2.0, entropy_min_keep_ratio=0.5
    )
    _, (_, run) = answers(requests, taken(), None, TEXT, names, None, "entity_loss", *values)
    ran = {one.name: one for one in run.compared}
    of_rule = {"lambda_": 1.5, "min_keep_ratio": 0.25}
    of_entropy = {"max_entropy": 2 * engine.strategy("entropy").settings()["max_entropy"], "min_keep_ratio": 0.5}
    for name, settings in (("rule", of_rule), ("entropy", of_entropy)):
        assert ran[name].result.strategy == engine.strategy(name, **settings)
        recovering = engine.strategy(f"{name}+recovery", trigger="entity_loss", **settings)
        assert ran[f"{name}+recovery"].result.strategy == recovering
    assert "λ 1.5" in ran["rule"].label
    assert "trigger entity loss" in ran["rule+recovery"].label


def test_no_change_goes_round_between_listeners(demo):
    deferring = [function for function in demo.fns.values() if function.trigger_mode == "always_last"]
    sources = [block for function in deferring for block, event in function.targets if event == "change"]
    assert sources
    assert len(sources) == len(set(sources)), "two that defer would set each other off for ever"


def test_keystrokes_send_no_text(demo):
    (text,) = components(demo, gr.Textbox, label="Text")
    events = {event for function in demo.fns.values() for block, event in function.targets if block == text._id}
    assert events == set()
