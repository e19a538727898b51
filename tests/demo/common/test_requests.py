"""A visitor's latest request wins; hidden tabs do nothing; no listener sets off another for ever."""

import gradio as gr
import pytest

from demo.common import runs
from demo.common.requests import Latest
from demo.settings import label
from demo.tabs import TABS
from tests.demo.conftest import components, listeners, page_values
from tests.demo.tabs.conftest import beside, run_of

TEXT = "Famotidine-associated delirium."
LABELS = [tab.LABEL for tab in TABS]
FOLLOWING = ["Watch", "Compare", "Why", "Use in code"]


def test_an_edit_that_changes_nothing_is_no_request_but_the_button_always_is(demo):
    edit, latest = listeners(demo, "on_edit")[0].fn, Latest()
    number, line = edit(latest, TEXT, ["dense"])
    assert latest.number == number
    assert "Running" in line
    assert edit(latest, TEXT, ["dense"]) == [gr.skip()] * 2
    again, _ = edit(latest, TEXT, ["dense", "entropy"])
    assert latest.number == again > number
    listeners(demo, "on_cancel")[0].fn(latest)
    assert edit(latest, TEXT, ["dense", "entropy"])[0] > again
    request, latest = listeners(demo, "on_request")[0].fn, Latest()
    numbers = [request(latest, TEXT, ["dense"])[0] for _ in range(2)]
    assert numbers[0] < numbers[1] == latest.number
    assert Latest().take() > latest.number, "not even another session has the same number"


@pytest.mark.parametrize(("shown", "said"), [(7, False), (6, True)])
def test_cancel_ends_the_request_and_keeps_what_is_shown_already(demo, on_run, shown, said):
    latest, cancel = Latest(7, mark=1, shown=shown), listeners(demo, "on_cancel")[0].fn
    line = cancel(latest)
    assert latest.number != 7
    assert ("Cancelled" in line) if said else line == gr.skip()
    assert cancel(latest) == gr.skip(), "nothing is left to cancel"
    assert on_run(latest, None, TEXT, ["rule"], None) == []


def test_only_the_visible_tab_is_drawn_and_the_same_run_only_once(demo, engine):
    result = engine.tag(TEXT, "dense")
    run = run_of(beside(result, result), text=TEXT)
    changes = {function.fn for function in listeners(demo, "on_change")}
    nothing = ("none", None, None, "dense")
    drawn = [label for draw in changes for label in LABELS if draw(label, None, run, "dense") != draw(*nothing)]
    assert sorted(drawn) == sorted(FOLLOWING)
    for function in listeners(demo, "on_select"):
        mark, *_ = function.fn(None, run, "dense")
        assert set(map(str, function.fn(mark, run, "dense"))) == {str(gr.skip())}
        assert function.fn(None, None, "dense")[0] == gr.skip(), "there is no run yet"


@pytest.fixture
def on_run(demo):
    (function,) = listeners(demo, "on_run")
    quiet = {"progress": lambda *_: None}
    return lambda latest, before, *values, **more: list(function.fn(latest, before, "rule", *values, **quiet | more))


def test_a_run_answers_twice_names_the_strategy_shown_and_has_the_baselines(on_run, engine, monkeypatch):
    monkeypatch.setattr(runs, "SECONDS", 0)
    values = page_values(engine)
    first, last = on_run(latest := Latest(7, mark=1), None, TEXT, ["rule"], None, "", *values)
    assert 'data-state="timing"' in first[0]
    assert 'data-state="done"' in last[0]
    assert f"<code>{label(engine, engine.strategy('rule'), None)}</code> <strong>" in last[0]
    assert [one.name for one in last[1].compared] == ["dense", "rule", "truncate-1"]
    assert first[2] != last[2]
    assert latest.shown == latest.number == last[1].number
    ((answer, run, _),) = on_run(Latest(7, mark=1), None, " ", ["rule"], None, "", *values)
    assert (run, "no text yet" in answer) == (None, True)
    other = {"progress": lambda *_: latest.take()}
    assert on_run(latest, None, TEXT, ["dense"], None, "", *values, **other) == [], "another request came"


def test_whatever_order_answers_reach_the_page_in_its_values_run_once(demo, on_run, engine, monkeypatch):
    monkeypatch.setattr(runs, "SECONDS", 0)
    edit, latest, settings = listeners(demo, "on_edit")[0].fn, Latest(), [None, "", *page_values(engine)]
    new, old = ([TEXT, [name], *settings] for name in ("rule", "dense"))
    edit(latest, *new)
    edit(latest, *old)  # sent before the other, and handled after it
    *_, (answer, run, _) = on_run(latest, None, *new)
    assert run.compared[1].name == "rule"
    assert on_run(latest, run, *new) == [[answer, gr.skip(), gr.skip()]], "its line says again what was found"
    number, _ = edit(latest, *old)
    assert on_run(latest, run, *old)[0][1].number == number, "another request is run"


def test_settings_and_trigger_reach_the_strategies_that_have_them(on_run, engine, monkeypatch):
    monkeypatch.setattr(runs, "SECONDS", 0)
    names = ["rule", "rule+recovery", "entropy", "entropy+recovery"]
    values = page_values(
        engine, rule_lambda_=1.5, rule_min_keep_ratio=0.25, entropy_max_entropy=2.0, entropy_min_keep_ratio=0.5
    )
    _, (_, run, _) = on_run(Latest(7, mark=1), None, TEXT, names, None, "entity_loss", *values)
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
