"""Strategies are timed in turn, and long texts fewer times."""

from __future__ import annotations

import pytest

from demo.results import timing
from demo.results.timing import measure
from engine import Engine

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def test_strategies_take_turns(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    tag = engine.tag
    monkeypatch.setattr(engine, "tag", lambda text, strategy: order.append(strategy.name) or tag(text, strategy))
    found = measure(engine, TEXT, [engine.strategy(name) for name in ("dense", "rule")])
    assert [one.result.strategy.name for one in found] == ["dense", "rule"]
    assert order == ["dense", "rule"] * 2 + ["rule", "dense", "dense", "rule"] * 2


def test_slow_texts_get_fewer_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "BUDGET_S", -1.0)
    assert len(measure(engine, TEXT, [engine.strategy("dense")])[0].runs_ms) == 1
