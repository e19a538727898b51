import pytest

from engine.latency import Latency, speedup, time_variants


def test_variants_are_interleaved_rotated_and_the_first_pass_is_discarded():
    calls = []

    def call(name, batch):
        calls.append((batch, name))
        slow = len(calls) <= 6  # the first pass over two batches and three variants
        return Latency(1000.0 if slow else {"a": 1.0, "b": 2.0, "c": 4.0}[name], 0.5, 1)

    ticks = []
    times = time_variants(["a", "b", "c"], 2, call, lambda: ticks.append(1))
    assert len(ticks) == len(calls) == 2 * 3 * 4
    for start in range(0, len(calls), 3):
        assert len({batch for batch, _ in calls[start : start + 3]}) == 1
    assert [name for _, name in calls[:9]] == ["a", "b", "c", "b", "c", "a", "b", "c", "a"]
    assert times["b"].batches.tolist() == [2.0, 2.0]
    assert times["b"].encoder_batches.tolist() == [0.5, 0.5]
    assert speedup(times["c"], times["a"]) == 4.0


def test_a_batch_has_the_median_of_its_passes():
    values = iter([9.0, 5.0, 100.0, 6.0])
    times = time_variants(["a"], 1, lambda name, batch: Latency(next(values), 1.0, 1), lambda: None)
    assert times["a"].total == [[5.0, 100.0, 6.0]]
    assert times["a"].batches.tolist() == [6.0]


def test_the_engines_clock_is_end_to_end(engine):
    import time

    from tests.conftest import TEXT

    begin = time.perf_counter()
    (result,) = engine.tag_batch([TEXT * 40], "dense", batch_size=1)
    outside = (time.perf_counter() - begin) * 1e3
    assert result.latency.total_ms == pytest.approx(outside, rel=0.1, abs=1.0)
    assert result.latency.encoder_ms <= result.latency.total_ms
