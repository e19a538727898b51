"""Strategies take turns being timed, long texts fewer times."""

from demo.common.timing import RUNS, Budget, affordable_rounds, first_pass, tagger, time_strategies

PATIENT = Budget(more_s=600.0)  # all runs, even on a busy machine
TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def test_strategies_take_turns(engine, monkeypatch):
    order = []
    tag = engine.tag
    monkeypatch.setattr(engine, "tag", lambda text, strategy: order.append(strategy.name) or tag(text, strategy))
    found = time_strategies(engine, TEXT, [engine.strategy(name) for name in ("dense", "rule")], PATIENT)
    assert [one.result.strategy.name for one in found] == ["dense", "rule"]
    assert order == ["dense", "rule"] * 2 + ["rule", "dense", "dense", "rule"] * 2
    assert all(one.warm and len(one.runs_ms) == RUNS for one in found)


def test_slow_texts_get_fewer_runs(engine):
    (first,) = first_pass(TEXT, [tagger(engine, engine.strategy("dense"))])
    pass_s = first.latency_ms / 1e3
    assert affordable_rounds([first], Budget(more_s=4.5 * pass_s)) == 4
    assert affordable_rounds([first], Budget(more_s=0.5 * pass_s)) == 3, "a page's least"
    (one,) = time_strategies(engine, TEXT, [engine.strategy("dense")], Budget(more_s=0.0, least=0))
    assert len(one.runs_ms) == 1
    assert not one.warm
