"""Cards show the result's figures; a speed-up is given only as far as the times tell, and never rounded up."""

from dataclasses import replace

import pytest

from demo.common.timing import RUNS
from demo.tabs.compare.answer_text import answer_run
from demo.tabs.compare.cards import CLOSEST, FASTEST, FEWEST, LISTED, award_badges, card, conditions, summary
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, NAUSEA, RECOVERING, TEXT, beside, timed


@pytest.fixture
def dense(engine):
    return timed(engine.tag(TEXT, "dense"))


def test_figures_are_those_of_the_result(engine, dense):
    result = engine.tag(TEXT, "truncate-1")
    page = card(beside(timed(result), dense))
    assert f"{result.cost.token_layers_kept:.1%}" in page
    assert f"{result.cost.macs / dense.result.cost.macs:.2f}× dense" in page
    assert f"0 of {len(result.words)} went through every layer, {len(result.words)} exited after layer 1" in page


def test_counts_and_lists_entities_that_differ(engine, dense):
    reference = replace(dense, result=replace(dense.result, entities=(FAMOTIDINE, DELIRIUM)))
    changed = replace(engine.tag(TEXT, "rule"), entities=(replace(FAMOTIDINE, type="Disease"), NAUSEA))
    page = card(beside(timed(changed), reference))
    labels = [(a.label, b.label) for a, b in zip(changed.trace.words, dense.result.trace.words, strict=True)]
    assert f"{sum(a == b for a, b in labels)} of {len(labels)} labels, 0 of 2 entities" in page
    for part in (
        "Differs from dense: 1 lost, 1 new, 1 changed",
        "↔ Famotidine</b> (Disease)",
        "− delirium</b> (Disease)",
        "+ nausea</b> (Disease)",
    ):
        assert part in page


def test_says_how_many_words_came_back(engine, dense):
    page = card(beside(timed(engine.tag(TEXT, "entropy+recovery", **RECOVERING)), dense))
    assert "<dd>2 words came back</dd>" in page
    assert "<dd>none</dd>" in card(beside(timed(engine.tag(TEXT, "entropy")), dense))


def test_long_lists_of_differences_are_cut(engine, dense):
    many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(LISTED + 3))
    nothing = replace(dense, result=replace(dense.result, entities=()))
    page = card(beside(timed(replace(engine.tag(TEXT, "rule"), entities=many)), nothing))
    assert page.count("<b>+") == LISTED
    assert "and 3 more" in page


@pytest.mark.parametrize(("runs_ms", "ahead"), [((9.0, 8.0, 9.9, 9.0, 9.0), True), ((8.0, 8.0, 10.1, 8.0, 8.0), False)])
def test_the_fastest_was_ahead_in_every_run(engine, dense, runs_ms, ahead):
    pair = [beside(dense, dense), beside(timed(engine.tag(TEXT, "truncate-1"), *runs_ms), dense)]
    assert (FASTEST in award_badges(pair)[1]) == ahead
    said = conditions("cpu", 2, pair)
    assert "median of 5 runs after an untimed one, strategies taking turns; cpu, 2 threads." in said
    assert ("none was ahead in every run" not in said) == ahead


def test_one_run_is_called_one_and_makes_none_the_fastest(dense):
    once = replace(dense, runs_ms=(1.0,), warm=False)
    said = conditions("cpu", 1, [beside(once, dense)] * 2)
    assert "one run, strategies taking turns; cpu, 1 thread. No strategy is marked as the fastest: there were" in said


def test_others_are_marked_unless_two_share_the_first_place(engine, dense):
    pair = [beside(dense, dense), beside(timed(engine.tag(TEXT, "truncate-1")), dense)]
    assert award_badges(pair) == [[], [FEWEST]]
    assert award_badges([pair[0], pair[0]]) == [[], []]
    same = replace(engine.tag(TEXT, "dense"), strategy=engine.strategy("truncate-2"))
    several = [*pair, beside(timed(same), dense), beside(timed(engine.tag(TEXT, "rule")), dense)]
    assert award_badges(several)[2] == [CLOSEST]
    assert CLOSEST not in award_badges(several)[3]


@pytest.mark.parametrize(
    ("strategy", "dense_ms", "own_ms", "said", "bold"),
    [
        ("truncate-1", [20.0] * RUNS, [10.0] * RUNS, "2.00× as fast as dense on this text", True),
        ("truncate-1", [20.0] * RUNS, [10.01] * RUNS, "1.99× as fast as dense on this text", True),
        ("truncate-1", [20.0] * 3, [15.0] * 3, "1.33× as fast as dense on this text (3 runs)", False),
        ("truncate-1", [20.0] * RUNS, [*[10.0] * 4, 21.0], "as fast as dense on this text (not in every run)", False),
        ("truncate-1", [*[20.0] * 4, 45.0], [10.0] * RUNS, "2.00× as fast as dense on this text", False),
        ("rule", [20.0] * RUNS, [20.1] * RUNS, "slower than dense on this text: 0.99×", True),
        ("truncate-1", [90.0], [10.0], "not yet timed against dense", False),
        ("truncate-1", [20.0] * 2, [10.0] * 2, "is uncertain: too few runs", False),
        ("truncate-1", [20.0] * RUNS, [10.0, 11.0, 12.0, 16.0, 30.0], "the times of the runs differ too much", False),
        ("truncate-1", [20.0] * 4, [10.0, 10.0, 15.0, 10.0], "the times of the runs differ too much", False),
        ("truncate-1", [50.0] * RUNS, [10.0] * RUNS, "is uncertain: something else on the machine slowed", False),
    ],
)
def test_a_speed_up_is_given_and_bold_as_far_as_the_times_tell(engine, strategy, dense_ms, own_ms, said, bold):
    timing = timed(engine.tag(TEXT, "dense"), *dense_ms)
    dense, one = beside(timing, timing), beside(timed(engine.tag(TEXT, strategy), *own_ms), timing)
    ratio = f"{one.speedup:.2f}×"
    words = one.speed_in_words("dense", ratio)
    assert said in words
    pages = card(one), answer_run(TEXT, [dense, one], timing=False), summary([dense, one, one])
    assert [ratio in page for page in pages] == [ratio in words] * 3
    assert ["<strong>" in page for page in pages] == [bold, bold, False]
    assert ("<strong>" in card(dense)) == timing.steady


def test_a_reference_from_another_model_may_differ_by_more_than_the_computation(engine):
    dense = timed(engine.tag(TEXT, "dense"), *[50.0] * RUNS)
    other = beside(timed(dense.result), dense, model="b", reference_model="a")
    assert other.doubt == ""
    assert other.label_among([other, replace(other, model="c")]) == "dense, b"
