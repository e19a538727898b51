"""Strategies take turns being timed, long texts fewer times; a range holds the middle 80 % of the runs."""

import random

import pytest

from demo.common.timing import RUNS, Budget, first_pass, in_turns, middle, more_rounds, speedup, tagger

PATIENT = Budget(seconds=600.0, least=0)  # all runs, even on a busy machine
TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def test_strategies_take_turns(engine, monkeypatch):
    order = []
    tag = engine.tag
    monkeypatch.setattr(engine, "tag", lambda text, strategy: order.append(strategy.name) or tag(text, strategy))
    taggers = [tagger(engine, engine.strategy(name)) for name in ("dense", "rule")]
    first, found = first_pass(TEXT, taggers), more_rounds(TEXT, taggers, PATIENT)
    assert [len(one.runs_ms) for one in first] == [1, 1]
    assert [one.result.strategy.name for one in found] == ["dense", "rule"]
    assert order[:8] == ["dense", "rule", "dense", "rule", "rule", "dense", "dense", "rule"]
    assert all(len(one.runs_ms) == RUNS for one in found)


def test_slow_texts_get_fewer_runs_and_an_unfinished_round_does_not_count():
    assert in_turns([lambda: 1.0], Budget(seconds=0.0, least=4)) == [[1.0] * 4]
    wanted = iter([True, True, True, False])
    assert in_turns([lambda: 1.0, lambda: 2.0], PATIENT, lambda: next(wanted)) == [[1.0], [2.0]]


@pytest.mark.parametrize(("runs", "ends"), [(1, (1, 1)), (3, (1, 3)), (5, (1, 5)), (6, (1.5, 5.5)), (41, (5, 37))])
def test_a_range_holds_the_middle_of_the_runs_or_all_of_a_few(runs, ends):
    assert middle(random.Random(0).sample(range(1, runs + 1), runs)) == ends


def test_a_slow_moment_hits_both_or_falls_out():
    own, other = [10.0] * 21, [20.0] * 21
    own[3], other[3], other[7] = 30.0, 60.0, 90.0
    assert speedup(own, other) == (2.0, 2.0)
