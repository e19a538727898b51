"""Passes take turns: one at a time, a short call before a long one's next pass, and no call waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from demo import shares
from demo.shares import Shares, in_thread_that_ends
from engine import Engine

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
TEXT = "Famotidine caused delirium and nausea. "


def waits(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.fixture
def turns() -> Shares:
    return Shares()


def queue_up(turns: Shares, names: list[str], ran: list[str], had: dict[str, float]) -> list[threading.Thread]:
    """Calls that wait in this order and note their name when their turn comes."""
    threads = []
    for name in names:
        share = turns.of_call()
        share._had = had.get(name, 0.0)

        def run(name: str = name, share: shares.Share = share) -> None:
            share(lambda: ran.append(name))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        waits(lambda: len(turns._waiting) == len(threads))
    return threads


@pytest.mark.parametrize(
    ("had", "order"),
    [({}, ["a", "b", "c"]), ({"a": 1.0}, ["b", "c", "a"]), ({"a": 2.0, "b": 1.0}, ["c", "b", "a"])],
)
def test_next_is_who_waited_longest_less_what_it_had(turns: Shares, had: dict[str, float], order: list[str]) -> None:
    ran: list[str] = []

    def meanwhile() -> list[threading.Thread]:
        threads = queue_up(turns, ["a", "b", "c"], ran, had)
        assert ran == []
        return threads

    for thread in turns.of_call()(meanwhile):
        thread.join()
    assert ran == order


def test_a_pass_that_fails_lets_the_next_one_in(turns: Shares) -> None:
    with pytest.raises(ZeroDivisionError):
        turns.of_call()(lambda: 1 / 0)
    assert turns.of_call()(lambda: 1) == 1


def test_one_thread_does_all_the_work(turns: Shares) -> None:
    threads = {turns.of_call()(threading.get_ident) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_work_in_a_thread_that_ends_gives_its_result_or_raises_its_error() -> None:
    thread = in_thread_that_ends(threading.current_thread)
    assert thread is not threading.current_thread()
    assert not thread.is_alive()
    with pytest.raises(ZeroDivisionError):
        in_thread_that_ends(lambda: 1 / 0)


STARTED_BY_THE_MAIN_THREAD = """
import os, sys
import app, gradio

def threads():
    return len(os.listdir("/proc/self/task"))

def launch(*_, **__):
    import torch
    torch.set_num_threads(2)
    before = threads()
    torch.ones(10**6)
    print("started", threads() - before)

gradio.Blocks.launch = launch
app.main([])
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_the_app_is_built_without_openmp_threads_of_the_main_thread() -> None:
    """The main thread's first large operation starts a thread; if one were there before, computing would be slow."""
    app = subprocess.run([sys.executable, "-c", STARTED_BY_THE_MAIN_THREAD], cwd=ROOT, capture_output=True, text=True)
    assert app.stdout == "started 1\n", app.stderr


def test_what_a_call_had_is_bounded_so_that_its_turn_comes(turns: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MAX_DEBT_S", 0.01)
    share = turns.of_call()
    share(lambda: time.sleep(0.05))
    assert share._had == 0.01


def test_a_short_text_does_not_wait_for_the_end_of_a_long_one(
    engine: Engine, turns: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.tagger.MAX_ROWS", 64)
    monkeypatch.setattr(engine, "pass_runner", turns.of_call)
    expected = engine.tag(TEXT).entities
    ended: dict[str, float] = {}

    def long() -> None:
        engine.tag(TEXT * 400)
        ended["long"] = time.monotonic()

    thread = threading.Thread(target=long)
    thread.start()
    waits(lambda: turns._busy)
    for _ in range(3):
        assert engine.tag(TEXT).entities == expected
    ended["short"] = time.monotonic()
    thread.join()
    assert ended["short"] < ended["long"]


def test_explaining_takes_turns_too_once_for_each_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[object] = []

    def counted(one: Callable[[], T]) -> T:
        passes.append(one)
        return one()

    monkeypatch.setattr(engine, "pass_runner", lambda: counted)
    result = engine.tag(TEXT * 40, "entropy")
    windows, ran = len(result._runs), len(passes)
    assert windows > ran > 0
    assert len(engine.explain(result)) == len(result.words)
    assert len(passes) == 2 * ran


def test_waiting_does_not_count_as_time(engine: Engine, turns: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "pass_runner", turns.of_call)
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(engine.tag(TEXT).latency.total_ms))

    def meanwhile() -> None:
        thread.start()
        waits(lambda: bool(turns._waiting))
        time.sleep(1)

    turns.of_call()(meanwhile)
    thread.join()
    assert found[0] < 1000
