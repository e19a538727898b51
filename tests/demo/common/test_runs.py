"""A run tags a text once under each strategy, then times them in turns; a range holds the middle of the rounds."""

import random

import pytest

from demo.common import runs
from demo.common.runs import ROUNDS, CallCancelledError, middle, run_text, speedup
from tests.conftest import TEXT
from tests.demo.tabs.conftest import as_stored

LONG = " ".join([TEXT] * 40)  # several windows


def strategies(engine, *names):
    return [as_stored(engine.strategy(name)) for name in names]


@pytest.fixture
def order(engine, monkeypatch):
    """The names of the strategies that tag, in order."""
    tagged, tag_batch = [], engine.tag_batch

    def noted(texts, strategy, **settings):
        tagged.append(strategy.name)
        return tag_batch(texts, strategy, **settings)

    monkeypatch.setattr(engine, "tag_batch", noted)
    return tagged


@pytest.mark.parametrize(("seconds", "rounds"), [(600, ROUNDS), (0, 1)])
def test_entities_come_after_one_pass_of_each_strategy_and_times_after_turns(
    engine, order, monkeypatch, seconds, rounds
):
    monkeypatch.setattr(runs, "SECONDS", seconds)
    found = run_text(engine, TEXT, strategies(engine, "dense", "rule"))
    first = next(found)
    assert order == ["dense", "rule"]
    assert not first.timed
    (last,) = found
    assert order[2:8] == ["rule", "dense", "dense", "rule", "rule", "dense"][: 2 * rounds]
    assert [len(one.runs_ms) for one in last.compared] == [rounds, rounds], "the first pass does not count"
    assert [one.result for one in last.compared] == [one.result for one in first.compared]
    assert last.shown("dense").is_dense
    assert last.shown("unknown").name == "rule"


@pytest.mark.parametrize("answers", [0, 1, 2, 5])
def test_a_run_ends_as_soon_as_it_is_not_wanted_within_a_text_too(engine, answers):
    wanted = iter([True] * answers + [False])
    with pytest.raises(CallCancelledError):
        list(run_text(engine, LONG, strategies(engine, "dense", "rule"), wanted=lambda: next(wanted)))


@pytest.mark.parametrize(("rounds", "ends"), [(1, (1, 1)), (5, (1, 5)), (6, (1.5, 5.5)), (41, (5, 37))])
def test_a_range_holds_the_middle_of_the_rounds_or_all_of_a_few(rounds, ends):
    assert middle(random.Random(0).sample(range(1, rounds + 1), rounds)) == ends


def test_a_slow_moment_hits_both_or_falls_out():
    own, other = [10.0] * 21, [20.0] * 21
    own[3], other[3], other[7] = 30.0, 60.0, 90.0
    assert speedup(own, other) == (2.0, 2.0)
