"""What the page offers is what the engine can run and what its controllers say of themselves."""

from dataclasses import replace

import pytest

from demo.settings import Selection, offered, page_settings, plain_name, points, select_strategy


def test_the_settings_of_the_page_are_those_that_the_controllers_ask_for_and_multiply_thresholds(engine, plain_engine):
    names = {"rule.lambda_", "rule.min_keep_ratio", "entropy.max_entropy", "entropy.min_keep_ratio"}
    assert names <= {setting.name for setting in page_settings(engine)}
    assert {setting.kind for setting in page_settings(engine)} <= set(engine.runnable)
    assert page_settings(plain_engine) == {}
    threshold = next(setting for setting in page_settings(engine) if setting.name == "entropy.max_entropy")
    strategy = engine.strategy("entropy", gates=(1, 2), max_entropy=(0.1, 1.0))
    assert page_settings(engine)[threshold] == 1.0
    assert threshold.controller_value(strategy, 3.0) == pytest.approx((0.3, 1.0))
    assert threshold.controller_value(engine.strategy("entropy", max_entropy=0.2), 10.0) == 1.0


def test_settings_and_trigger_reach_the_strategies_that_have_them(engine):
    values = {
        "rule.lambda_": 1.5,
        "rule.min_keep_ratio": 0.25,
        "entropy.max_entropy": 2.0,
        "entropy.min_keep_ratio": 0.5,
    }
    of_rule = {"lambda_": 1.5, "min_keep_ratio": 0.25}
    of_entropy = {"max_entropy": 2 * engine.strategy("entropy").settings()["max_entropy"], "min_keep_ratio": 0.5}
    for name, settings in (("rule", of_rule), ("entropy", of_entropy)):
        chosen = select_strategy(engine, name, None, "entity_loss", values)
        assert chosen.strategy == engine.strategy(name, **settings)
        recovering = select_strategy(engine, f"{name}+recovery", None, "entity_loss", values)
        assert recovering.strategy == engine.strategy(f"{name}+recovery", trigger="entity_loss", **settings)
        assert "trigger entity loss" in recovering.title
        assert ("λ 1.5" in chosen.title) == (name == "rule")


def test_points_are_those_that_all_strategies_have(engine, monkeypatch):
    def stored(lambda_):
        return engine.strategy("rule", lambda_=lambda_)

    assert points(engine) == []
    monkeypatch.setattr(engine, "points", {"rule": {"careful": stored(-1.0), "fast": stored(1.0)}})
    assert points(engine) == ["careful", "fast"]
    recovering = {"fast": replace(engine.strategy("rule+recovery"), point="fast")}
    monkeypatch.setattr(engine, "points", engine.points | {"rule+recovery": recovering})
    assert points(engine) == ["careful", "fast"], "with recovery, a point that is not its own is that of its controller"


def test_untouched_settings_are_those_of_the_operating_point(engine, monkeypatch):
    calibrated = {
        "rule": engine.strategy("rule", lambda_=0.3271),
        "entropy": engine.strategy("entropy", min_keep_ratio=0.2),
        "entropy+recovery": engine.strategy("entropy+recovery", trigger="entropy_spike", min_keep_ratio=0.3),
    }
    at_point = {name: replace(strategy, point="fast") for name, strategy in calibrated.items()}
    monkeypatch.setattr(engine, "points", {name: {"fast": strategy} for name, strategy in at_point.items()})
    for name, strategy in at_point.items():
        assert select_strategy(engine, name, "fast").strategy == strategy


def test_at_a_point_of_one_controller_alone_other_strategies_run_with_their_defaults(engine, monkeypatch):
    stored = replace(engine.strategy("entropy", min_keep_ratio=0.2), point="fast")
    monkeypatch.setattr(engine, "points", {"entropy": {"fast": stored}})  # as `accelerate` stores them
    assert points(engine) == ["fast"]
    for name in engine.runnable:
        chosen = select_strategy(engine, name, "fast")
        at = "fast" if chosen.strategy.kind == "entropy" else None
        assert chosen.strategy == chosen.stored == engine.strategy(name, at)
        assert chosen.title == (f"{plain_name(name)} (fast)" if at else plain_name(name))


def test_plain_names_are_those_of_people_and_a_changed_threshold_is_told_as_a_factor(engine):
    assert [plain_name(name) for name in ("dense", "truncate-3", "entropy+recovery")] == [
        "All layers",
        "Stop at layer 3",
        "Early exit with recovery",
    ]
    stored = engine.strategy("entropy", gates=(1, 2), max_entropy=(0.1, 1.0))
    changed = Selection(stored.with_settings(max_entropy=(0.2, 1.0)), replace(stored, point="fast"))
    assert changed.title == "Early exit (fast, threshold × 2)"
    first, default, cut, *rest = offered(engine)
    assert (first, default, cut) == ("dense", "entropy", "truncate-1")
    assert sorted([first, default, cut, *rest]) == sorted(engine.runnable)
