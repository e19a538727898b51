"""The inputs beside the tabs: settings that follow the strategies, and links."""

from types import SimpleNamespace

import gradio as gr

from demo.common.settings_panel import build_settings, shown_choices
from demo.settings import page_settings
from engine.pruning.controllers import CONTROLLERS
from tests.demo.conftest import components, listeners


def test_offers_what_the_engine_can_run_compares_two_and_shows_one_of_these(demo, engine):
    (strategies,) = components(demo, gr.CheckboxGroup)
    (shown,) = components(demo, gr.Radio, label="Strategy shown")
    assert [value for _, value in strategies.choices] == list(engine.runnable)
    assert strategies.value == [value for _, value in shown.choices] == ["dense", "entropy", "truncate-1"]
    assert dict(map(reversed, strategies.choices))["rule"].endswith(CONTROLLERS["rule"].description)
    assert shown.value == "entropy"
    assert shown_choices(["dense", "rule"], "entropy")["value"] == "rule"
    assert shown_choices(["dense", "rule"], "dense")["value"] == "dense"
    for misfit in ([], gr.skip(), [["dense"]], 5, None):
        assert shown_choices(misfit, "dense") == gr.skip()


def test_a_link_changes_strategies_and_the_one_shown_at_once(demo):
    opened = listeners(demo, "on_open")[0]
    assert [type(one) for one in opened.outputs[1:3]] == [gr.Radio, gr.CheckboxGroup]  # applied one by one
    request = SimpleNamespace(query_params={"strategies": "dense,rule", "point": "fast"})
    _, choice, names, *_ = opened.fn("", request)
    assert choice["choices"] == names == ["dense", "rule"]
    assert choice["value"] == "rule"
    assert opened.fn("a text of mine", request)[0] == "a text of mine"
    request.query_params = {"point": "fast"}
    assert opened.fn("", request)[1:3] == [gr.skip()] * 2


def test_settings_say_what_they_do_and_start_at_the_operating_point(engine, monkeypatch):
    stored = engine.strategy("rule", lambda_=0.3271, min_keep_ratio=0.07)
    monkeypatch.setattr(engine, "points", {"rule": {"balanced": stored}})
    with gr.Blocks() as page:
        build_settings(engine)
    shown = components(page, gr.Slider)
    assert [component.value for component in shown][:4] == [0.3271, 0.07, 1.0, 0.0]
    for setting, component in zip(page_settings(engine), shown, strict=True):
        assert setting.declared.description[1:] in component.info
        assert (component.minimum, component.maximum, component.step) == setting.range
        assert component.visible == (setting.kind == "entropy")


def test_what_changes_nothing_is_hidden_or_disabled_and_says_so(demo, engine):
    apply = listeners(demo, "on_strategies")[0].fn
    kinds = [setting.kind for setting in page_settings(engine)]
    for names, recovers, used in ((["dense", "rule+recovery"], True, "rule"), (["dense"], False, None)):
        _, point, trigger, *shown = apply(names, "dense")
        assert not point["interactive"]
        assert "Changes nothing here" in point["info"], "these weights store no operating points"
        assert (trigger["interactive"], "Changes nothing here" in trigger["info"]) == (recovers, not recovers)
        assert [one["visible"] for one in shown] == [used is None, *(kind == used for kind in kinds)]
    for misfit in (["<img>"], [], None, 5, [["dense"]]):
        assert all(update == gr.skip() for update in apply(misfit, "dense"))
