"""Strategies take turns being timed, long texts fewer times."""

from demo.common.timing import (
    RUNS,
    Budget,
    affordable_rounds,
    estimate,
    first_pass,
    more_rounds,
    tagger,
    time_strategies,
)

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


def test_a_round_that_is_broken_off_does_not_count(engine):
    going = iter([True, True, True, False])
    taggers = [tagger(engine, engine.strategy(name)) for name in ("dense", "rule")]
    assert [len(one.runs_ms) for one in more_rounds(TEXT, taggers, 5, lambda: next(going))] == [1, 1]
    assert more_rounds(TEXT, taggers, 5, lambda: False) == []


def test_long_texts_are_estimated_from_their_beginning(engine):
    taggers = [tagger(engine, engine.strategy(name)) for name in ("dense", "rule", "entropy")]
    assert estimate(TEXT, taggers, Budget()) == (0.0, 3)
    seconds, number = estimate(TEXT, taggers, Budget(short=25, probe=25))
    assert seconds > 0
    assert number == 3
    assert estimate(TEXT, taggers, Budget(first_s=0.0, short=25, probe=25))[1] == 2
