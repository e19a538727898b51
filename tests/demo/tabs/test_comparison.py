"""A speed-up is given only as far as the times tell, and never rounded up."""

from dataclasses import replace

import pytest

from demo.common.timing import RUNS, Timing
from demo.tabs.compare.comparison import ComparedStrategy

TEXT = "Famotidine-associated delirium."


@pytest.mark.parametrize(
    ("strategy", "dense_ms", "own_ms", "said"),
    [
        ("truncate-1", (20.0,) * RUNS, (10.0,) * RUNS, "2.00× as fast as dense on this text"),
        ("truncate-1", (20.0,) * RUNS, (10.01,) * RUNS, "1.99× as fast as dense on this text"),
        ("truncate-1", (20.0,) * 3, (15.0,) * 3, "1.33× as fast as dense on this text (3 runs)"),
        (
            "truncate-1",
            (20.0,) * RUNS,
            (10.0,) * (RUNS - 1) + (21.0,),
            "2.00× as fast as dense on this text (not in every run)",
        ),
        ("rule", (20.0,) * RUNS, (20.1,) * RUNS, "slower than dense on this text: 0.99×"),
        ("truncate-1", (90.0,), (10.0,), "not yet timed against dense"),
        ("truncate-1", (20.0,) * 2, (10.0,) * 2, "is uncertain: too few runs"),
        ("truncate-1", (20.0,) * RUNS, (10.0, 11.0, 12.0, 16.0, 30.0), "uncertain: the times of the runs differ too"),
        ("truncate-1", (50.0,) * RUNS, (10.0,) * RUNS, "is uncertain: something else on the machine slowed"),
    ],
)
def test_speed_in_words(engine, strategy, dense_ms, own_ms, said):
    own, dense = Timing(engine.tag(TEXT, strategy), own_ms), Timing(engine.tag(TEXT, "dense"), dense_ms)
    one = ComparedStrategy("m", strategy, "", own, dense)
    found = one.speed_in_words("dense", f"{one.speedup:.2f}×")
    assert said in found
    assert one.decided == (len(own_ms) == RUNS and "×" in said and "(" not in said)


def test_a_reference_from_another_model_may_differ_by_more_than_the_computation(engine):
    dense = Timing(engine.tag(TEXT, "dense"), (50.0,) * RUNS)
    other = ComparedStrategy("b", "dense", "", replace(dense, runs_ms=(10.0,) * RUNS), dense, "a")
    assert other.doubt == ""
    assert other.label_among([other, replace(other, model="c")]) == "dense, b"
