"""Calls take turns: one pass at a time, a short call before a long one's next pass, and no call waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.common.turns import SharedEngine, Turns

TEXT = "Famotidine caused delirium and nausea. "


def passes(name, ran, number, seconds):
    """A call of several passes, which notes each."""

    def work(between):
        for last in range(number):
            ran.append(name)
            time.sleep(seconds)
            if last < number - 1:
                between()
        return name

    return work


def together(turns, **calls):
    """Runs calls that wait at once, each with a number of passes of so many seconds; returns their order."""
    ran = []
    begin = threading.Event()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(turns.run, lambda _: begin.wait())
        found = []
        for name, (number, seconds) in calls.items():
            found.append(pool.submit(turns.run, passes(name, ran, number, seconds)))
            time.sleep(0.05)  # they come one after another
        begin.set()
        held.result()
        assert [one.result() for one in found] == list(calls)
    return ran


def test_a_call_of_short_passes_goes_ahead_of_one_that_has_had_much():
    order = together(Turns(), long=(3, 0.4), short=(3, 0.01))
    assert order[:2] == ["long", "short"]
    assert order.index("long", 1) > 3, "the short call ends before the long one's second pass"


def test_what_a_call_had_is_bounded_so_that_its_turn_comes():
    order = together(Turns(max_debt_s=0.02), long=(2, 0.4), short=(20, 0.01))
    assert order.index("long", 1) < len(order) - 5


def test_a_call_that_fails_raises_its_error_and_lets_the_next_one_in():
    def fails(between):
        between()
        raise ZeroDivisionError

    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.run(fails)
    assert turns.run(passes("next", [], 1, 0)) == "next"


def test_calls_that_do_not_overlap_compute_in_one_thread():
    turns = Turns()
    (own,) = {turns.run(lambda _: threading.get_ident()) for _ in range(3)}
    assert own != threading.get_ident()


def test_short_calls_do_not_wait_for_the_end_of_a_long_one(engine, monkeypatch):
    monkeypatch.setattr("engine.pytorch.MAX_ROWS", 64)
    shared = SharedEngine(engine, Turns())
    expected = engine.tag(TEXT).entities
    with ThreadPoolExecutor() as pool:
        long = pool.submit(shared.tag, TEXT * 400, "entropy")
        for _ in range(3):
            assert shared.tag(TEXT).entities == expected
        assert not long.done()
        explaining = pool.submit(shared.explain, long.result())
        shared.tag(TEXT)
        assert not explaining.done()
    assert long.result().entities == engine.tag(TEXT * 400, "entropy").entities
    assert explaining.result() == engine.explain(long.result())


def test_waiting_does_not_count_as_time(engine):
    turns = Turns()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(turns.run, passes("other", [], 1, 1.0))
        assert SharedEngine(engine, turns).tag(TEXT).latency.total_ms < 1000
        held.result()
