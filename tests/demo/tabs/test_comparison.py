"""A speed-up is given only as far as the times tell, and never rounded up."""

from dataclasses import replace

import pytest

from demo.common.timing import RUNS
from demo.tabs.compare.answer_text import answer_run
from demo.tabs.compare.cards import card, summary
from tests.demo.tabs.conftest import TEXT, beside, timed


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
