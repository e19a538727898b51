"""The tab Compare: what it runs and shows, and what it says when it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from demo.limits import MAX_CHARACTERS
from demo.results import timing
from demo.results.timing import measure
from demo.settings import default_values, sliders
from demo.tabs.compare import compare
from engine import Engine

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


@pytest.fixture
def defaults(engine: Engine) -> tuple[Any, ...]:
    """The settings of the page when it opens."""
    return None, "", *default_values(engine, None)


def shown(engine: Engine, updates: list[Any]) -> list[str]:
    """Names of the strategies whose panels are visible."""
    return [name for name, panel in zip(engine.runnable, updates[1::3], strict=True) if panel["visible"]]


def test_runs_every_strategy(engine: Engine, defaults: tuple[Any, ...]) -> None:
    updates = compare(engine, TEXT, list(engine.runnable), *defaults)
    assert "median of 5 runs" in updates[0]
    assert shown(engine, updates) == list(engine.runnable)
    for name, card, segments in zip(engine.runnable, updates[2::3], updates[3::3], strict=True):
        assert f"<h3>{name}</h3>" in card
        assert "".join(text for text, _ in segments) == TEXT


def test_dense_is_measured_even_when_it_is_not_shown(engine: Engine, defaults: tuple[Any, ...]) -> None:
    updates = compare(engine, TEXT, ["rule"], *defaults)
    assert shown(engine, updates) == ["rule"]
    assert "dense" in updates[2 + 3 * list(engine.runnable).index("rule")]


def test_sliders_and_trigger_reach_the_strategies_that_have_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = {}

    def spy(engine: Engine, text: str, strategies: list[Any]) -> Any:
        ran.update({strategy.name: strategy for strategy in strategies})
        return measure(engine, text, strategies)

    monkeypatch.setattr("demo.tabs.compare.measure", spy)
    moved = {"rule.lambda_": 1.5, "rule.min_keep_ratio": 0.25, "entropy.min_keep_ratio": 0.5}
    assert {slider.name for slider in sliders(engine)} == set(moved)
    values = [moved[slider.name] for slider in sliders(engine)]
    compare(engine, TEXT, list(engine.runnable), None, "entity_loss", *values)
    of_rule, of_entropy = {"lambda_": 1.5, "min_keep_ratio": 0.25}, {"min_keep_ratio": 0.5}
    assert ran["rule"] == engine.strategy("rule", **of_rule)
    assert ran["rule+recovery"] == engine.strategy("rule+recovery", trigger="entity_loss", **of_rule)
    assert ran["entropy"] == engine.strategy("entropy", **of_entropy)
    assert ran["entropy+recovery"] == engine.strategy("entropy+recovery", trigger="entity_loss", **of_entropy)
    assert ran["random"] == engine.strategy("random", **of_entropy)
    assert ran["random"].replays == ran["entropy"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u00a0\n"])
def test_blank_text_gives_a_message(engine: Engine, defaults: tuple[Any, ...], text: str) -> None:
    updates = compare(engine, text, ["dense"], *defaults)
    assert "There is no text yet" in updates[0]
    assert shown(engine, updates) == []


def test_overlong_text_gives_a_message(engine: Engine, defaults: tuple[Any, ...]) -> None:
    updates = compare(engine, "a" * (MAX_CHARACTERS + 1), ["dense"], *defaults)
    assert "100,001 characters, the limit is 100,000" in updates[0]
    assert shown(engine, updates) == []


def test_no_strategy_gives_a_message(engine: Engine, defaults: tuple[Any, ...]) -> None:
    assert "No strategy is chosen" in compare(engine, TEXT, [], *defaults)[0]


@pytest.mark.parametrize("text", ["\0", "\ud800", "😀", "\u202e", "<b>${x}</b>", "a" * 1000])
def test_odd_texts_are_texts(engine: Engine, defaults: tuple[Any, ...], text: str) -> None:
    updates = compare(engine, text, ["rule"], *defaults)
    assert shown(engine, updates) == ["rule"]


def test_one_run_is_called_one_run(engine: Engine, defaults: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "BUDGET_S", -1.0)
    assert "one run" in compare(engine, TEXT, ["dense"], *defaults)[0]


def test_a_model_without_gates_compares_what_it_can(plain_engine: Engine) -> None:
    updates = compare(plain_engine, TEXT, ["dense", "hf"], None, None)
    assert shown(plain_engine, updates) == ["dense", "hf"]
