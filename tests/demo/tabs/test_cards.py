"""Cards show the result's figures, claim no more than the runs show, and escape what users wrote."""

from dataclasses import replace

import pytest

from demo.common.timing import RUNS, Timing
from demo.tabs.compare import cards
from demo.tabs.compare.cards import CLOSEST, FASTEST, FEWEST, LISTED, award_badges, conditions
from demo.tabs.compare.comparison import ComparedStrategy
from engine import Entity
from tests.demo.conftest import RECOVERING

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "


def timed(result, latency_ms=10.0):
    return Timing(result, (latency_ms,) * RUNS)


@pytest.fixture
def dense(engine):
    return timed(engine.tag(TEXT, "dense"))


def beside(one, dense):
    return ComparedStrategy("tiny, float32", f"{one.result.strategy.name}:balanced", "", one, dense)


def card(one, dense):
    return cards.card(beside(one, dense))


@pytest.mark.parametrize(("runs_ms", "large"), [((5.0,) * RUNS, True), ((1.0,) * RUNS, False), ((5.0,), False)])
def test_only_a_decided_time_is_large(engine, dense, runs_ms, large):
    page = card(Timing(engine.tag(TEXT, "truncate-1"), runs_ms), replace(dense, runs_ms=(10.0,) * len(runs_ms)))
    assert (" ms</strong>" in page) == ("2.00× as fast as dense" in page) == large
    assert "slower" in card(timed(engine.tag(TEXT, "rule"), 10.1), dense)


def test_no_time_is_large_if_one_run_took_far_longer(engine, dense):
    own, slowed = timed(engine.tag(TEXT, "truncate-1"), 5.0), replace(dense, runs_ms=(*(10.0,) * (RUNS - 1), 23.0))
    assert "<strong>" not in card(own, slowed)
    assert "<strong>" not in card(slowed, slowed)
    assert "2.00× as fast as dense" in card(own, slowed)


def test_figures_are_those_of_the_result(engine, dense):
    result = engine.tag(TEXT, "truncate-1")
    page = card(timed(result), dense)
    assert f"{result.cost.token_layers_kept:.1%}" in page
    assert f"{result.cost.macs / dense.result.cost.macs:.2f}× dense" in page
    assert f"0 of {len(result.words)} went through every layer, {len(result.words)} exited after layer 1" in page


def test_counts_and_lists_entities_that_differ(engine, dense):
    nausea = Entity(TEXT.index("nausea"), TEXT.index("nausea") + 6, "Disease", "nausea")
    famotidine = Entity(0, 10, "Chemical", "Famotidine")
    delirium = Entity(22, 30, "Disease", "delirium")
    reference = replace(dense, result=replace(dense.result, entities=(famotidine, delirium)))
    changed = replace(engine.tag(TEXT, "rule"), entities=(replace(famotidine, type="Disease"), nausea))
    page = card(timed(changed), reference)
    labels = [(a.label, b.label) for a, b in zip(changed.trace.words, dense.result.trace.words, strict=True)]
    assert f"{sum(a == b for a, b in labels)} of {len(labels)} labels, 0 of 2 entities" in page
    for part in (
        "Differs from dense: 1 lost, 1 new, 1 changed",
        "↔ Famotidine</b> (Disease)",
        "− delirium</b> (Disease)",
        "+ nausea</b> (Disease)",
    ):
        assert part in page


@pytest.mark.parametrize(("limit", "said"), [(1, "1 word came back"), (2, "2 words came back")])
def test_says_how_many_words_came_back(engine, dense, limit, said):
    settings = RECOVERING | {"recovery_limit": limit}
    page = card(timed(engine.tag(TEXT, "entropy+recovery", **settings)), dense)
    assert f"<dd>{said}</dd>" in page
    assert "<dd>none</dd>" in card(timed(engine.tag(TEXT, "entropy")), dense)


def test_long_lists_of_differences_are_cut(engine, dense):
    many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(LISTED + 3))
    nothing = replace(dense, result=replace(dense.result, entities=()))
    page = card(timed(replace(engine.tag(TEXT, "rule"), entities=many)), nothing)
    assert page.count("<b>+") == LISTED
    assert "and 3 more" in page


def test_conditions_name_device_threads_and_runs(dense):
    line = conditions("cpu", 2, [beside(dense, dense)])
    # This class is dimmed while out of date.
    assert line.startswith('<div class="conditions"><p class="note">Measured just now')
    for part in ("cpu", "2 threads", "median of 5 runs", "untimed"):
        assert part in line
    once = replace(dense, runs_ms=(1.0,), warm=False)
    assert "one run, strategies taking turns; cpu, 1 thread." in conditions("cpu", 1, [beside(once, once)])


@pytest.mark.parametrize(("runs_ms", "ahead"), [((9.0, 8.0, 9.9, 9.0, 9.0), True), ((8.0, 8.0, 10.1, 8.0, 8.0), False)])
def test_the_fastest_was_ahead_in_every_run(engine, dense, runs_ms, ahead):
    pair = [beside(dense, dense), beside(Timing(engine.tag(TEXT, "truncate-1"), runs_ms), dense)]
    assert (FASTEST in award_badges(pair)[1]) == ahead
    assert ("none was ahead in every run" not in conditions("cpu", 2, pair)) == ahead


def test_others_are_marked_unless_two_share_the_first_place(engine, dense):
    pair = [beside(dense, dense), beside(timed(engine.tag(TEXT, "truncate-1")), dense)]
    assert award_badges(pair) == [[], [FEWEST]]
    assert award_badges([pair[0], pair[0]]) == [[], []]
    same = replace(engine.tag(TEXT, "dense"), strategy=engine.strategy("truncate-2"))
    several = [*pair, beside(timed(same), dense), beside(timed(engine.tag(TEXT, "rule")), dense)]
    assert award_badges(several)[2] == [CLOSEST]
    assert CLOSEST not in award_badges(several)[3]
