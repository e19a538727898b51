"""How calls are timed."""

import time

import pytest

from engine.latency import Latency, time_variants
from tests.conftest import TEXT


def test_variants_are_interleaved_rotated_the_first_pass_is_discarded_and_a_batch_has_the_median_of_the_others():
    calls, ticks = [], []
    passes = {"a": [9, 1, 50, 2], "b": [0, 8, 8, 8], "c": [9, 4, 4, 4]}

    def call(name, batch):
        calls.append((batch, name))
        return Latency(passes[name][(len(calls) - 1) // 6], 1)  # two batches and three variants a pass

    times = time_variants(["a", "b", "c"], 2, call, lambda: ticks.append(1))
    assert len(ticks) == len(calls) == 2 * 3 * 4
    for start in range(0, len(calls), 3):
        assert len({batch for batch, _ in calls[start : start + 3]}) == 1
    assert [name for _, name in calls[:9]] == ["a", "b", "c", "b", "c", "a", "b", "c", "a"]
    assert times["a"].tolist() == [2, 2]


def test_the_engines_clock_is_end_to_end(engine):
    begin = time.perf_counter()
    (result,) = engine.tag_batch([TEXT * 40], "dense", batch_size=1)
    outside = (time.perf_counter() - begin) * 1e3
    assert result.latency.total_ms == pytest.approx(outside, rel=0.1, abs=1.0)
