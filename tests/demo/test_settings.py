"""What the page offers is what the engine can run and what its controllers say of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from demo.settings import (
    chosen_strategy,
    controlled_by,
    default_values,
    describe,
    describe_settings,
    points,
    sliders,
    strategies_with,
    strategies_with_recovery,
)
from engine import Engine
from engine.pruning.controllers import CONTROLLERS


def test_sliders_are_those_that_the_controllers_ask_for(engine: Engine, plain_engine: Engine) -> None:
    assert [slider.name for slider in sliders(engine)] == [
        "rule.lambda_",
        "rule.min_keep_ratio",
        "entropy.min_keep_ratio",
    ]
    assert sliders(plain_engine) == []


def test_sliders_concern_the_strategies_that_have_the_knob(engine: Engine) -> None:
    for slider in sliders(engine):
        names = strategies_with(engine, slider)
        assert names[0] == slider.kind
        assert all(slider.setting.name in engine.strategy(name).settings() for name in names)
    assert "random" in strategies_with(engine, sliders(engine)[-1])
    assert strategies_with_recovery(engine) == ["rule+recovery", "entropy+recovery"]


def test_points_are_those_that_all_strategies_have(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def stored(lambda_: float) -> dict[str, Any]:
        return engine.strategy("rule", lambda_=lambda_).to_json()

    assert points(engine) == []
    monkeypatch.setattr(engine, "points", {"rule": {"careful": stored(-1.0), "fast": stored(1.0)}})
    assert points(engine) == ["careful", "fast"]
    recovering = {"fast": replace(engine.strategy("rule+recovery"), point="fast").to_json()}
    monkeypatch.setattr(engine, "points", engine.points | {"rule+recovery": recovering})
    assert points(engine) == ["careful", "fast"], "with recovery, a point that is not its own is that of its controller"


def test_untouched_settings_are_those_of_the_operating_point(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrated = {
        "rule": engine.strategy("rule", lambda_=0.3271),
        "entropy": engine.strategy("entropy", min_keep_ratio=0.2),
        "entropy+recovery": engine.strategy("entropy+recovery", trigger="entropy_spike", min_keep_ratio=0.3),
    }
    at_point = {name: replace(strategy, point="fast") for name, strategy in calibrated.items()}
    stored = {name: {"fast": strategy.to_json()} for name, strategy in at_point.items()}
    monkeypatch.setattr(engine, "points", stored)
    for name, strategy in at_point.items():
        assert chosen_strategy(engine, name, "fast", "", *default_values(engine, "fast")) == strategy


def test_at_a_point_of_one_controller_alone_other_strategies_run_with_their_defaults(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = replace(engine.strategy("entropy", min_keep_ratio=0.2), point="fast")
    monkeypatch.setattr(engine, "points", {"entropy": {"fast": stored.to_json()}})  # as `accelerate` stores them
    assert points(engine) == ["fast"]
    values = default_values(engine, "fast")
    for name in engine.runnable:
        chosen = chosen_strategy(engine, name, "fast", "", *values)
        at = "fast" if controlled_by(chosen) == "entropy" else None
        assert chosen == engine.strategy(name, at)
        assert describe_settings(engine, chosen, "fast") == (chosen.replays or chosen).point


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("dense", "The reference"),
        ("rule", CONTROLLERS["rule"].description),
        ("random", "as many words as entropy with the same settings"),
        ("rule+recovery", "Like rule, but words come back where the result looks doubtful. Trigger: any."),
        ("truncate-1", "The encoder stops after this layer"),
    ],
)
def test_descriptions_say_what_a_strategy_does(engine: Engine, name: str, described: str) -> None:
    assert described in describe(engine.strategy(name))
