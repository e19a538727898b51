"""Calls take turns: one pass at a time, a short call before a long one's next pass, and no call waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest

from demo.common.turns import SharedEngine, Turns
from engine.pytorch.backend import PyTorchModel

TEXT = "Famotidine caused delirium and nausea. "


def together(turns, clock, **calls):
    """Runs calls that wait at once, each with a number of passes of so many seconds; returns the order of passes."""
    ran, begin = [], threading.Event()

    def call(name, number, seconds, between):
        for left in reversed(range(number)):
            ran.append(name)
            clock.now += seconds
            if left:
                between()

    def until_waiting(number):
        while not turns._busy or len(turns._waiting) < number:
            time.sleep(0.001)

    with ThreadPoolExecutor() as pool:
        found = [pool.submit(turns.run, lambda _: begin.wait())]
        for number, (name, passes) in enumerate(calls.items()):
            until_waiting(number)  # they come one after another
            found.append(pool.submit(turns.run, partial(call, name, *passes)))
        until_waiting(len(calls))
        begin.set()
    assert all(one.exception() is None for one in found)
    return ran


def test_a_call_of_short_passes_goes_ahead_of_one_that_has_had_much_whose_turn_comes_all_the_same(monkeypatch):
    clock = SimpleNamespace(now=0.0)  # of the test's own, whatever else the machine does
    monkeypatch.setattr("demo.common.turns.time", SimpleNamespace(monotonic=lambda: clock.now))
    order = together(Turns(), clock, long=(3, 0.4), short=(3, 0.01))
    assert order == ["long", "short", "short", "short", "long", "long"]
    order = together(Turns(max_debt_s=0.02), clock, long=(2, 0.4), short=(20, 0.01))
    assert order.index("long", 1) < len(order) - 5


def test_a_call_that_fails_raises_its_error_and_lets_the_next_one_in_and_all_compute_in_one_thread():
    def fails(between):
        between()
        raise ZeroDivisionError

    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.run(fails)
    assert turns.run(lambda _: "next") == "next"
    turns = Turns()
    (own,) = {turns.run(lambda _: threading.get_ident()) for _ in range(3)}
    assert own != threading.get_ident()


def test_short_calls_do_not_wait_for_the_end_of_a_long_one(engine, monkeypatch):
    def slow_pass(*given, run=PyTorchModel._pass):
        time.sleep(0.005)  # long enough for a call to be waiting when the pass ends, whatever else the machine does
        return run(*given)

    monkeypatch.setattr("engine.pytorch.backend.MAX_ROWS", 64)
    monkeypatch.setattr(PyTorchModel, "_pass", slow_pass)
    shared = SharedEngine(engine, Turns())
    expected = engine.tag(TEXT).entities
    with ThreadPoolExecutor() as pool:
        long = pool.submit(shared.tag, TEXT * 400, "entropy")
        for _ in range(3):
            assert shared.tag(TEXT).entities == expected
        assert not long.done()
    assert long.result().entities == engine.tag(TEXT * 400, "entropy").entities


def test_waiting_does_not_count_as_time(engine):
    turns = Turns()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(turns.run, lambda _: time.sleep(1))
        assert SharedEngine(engine, turns).tag(TEXT).latency.total_ms < 1000
        held.result()
