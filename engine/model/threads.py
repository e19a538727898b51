"""Runs several passes at once, with one thread each.

A layer on a few hundred rows gains little from a second thread, because synchronisation and small shares of work cost
as much. Two passes side by side, with one thread each, have no such cost.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from itertools import islice
from threading import Barrier, local
from typing import TypeVar

import torch

T = TypeVar("T")
_thread_state = local()

# Compute threads do not survive a fork: a child that waits for them hangs.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def at_once(passes: Sequence[Callable[[], T]], threads: int, *, ahead: bool = True) -> Iterator[T]:
    """Runs passes in parallel and yields their results in order.

    Passes start only when a result is requested, so a caller that stops iterating stops the work. Calls from several
    threads share the same workers, so together they use no more than ``threads``.

    Args:
        passes: the passes; each runs with one PyTorch thread.
        threads: maximum number of passes that run at a time.
        ahead: whether passes may run while the caller has a result. Otherwise up to ``threads`` passes start together,
            and all of them end before the first result: slower by 2–6 %, but a caller that pauses is timed correctly.
    """
    pool, rest = _workers(threads, os.getpid()), iter(passes)
    running: deque[Future[T]] = deque()
    try:
        while True:
            if ahead or not running:
                running.extend(pool.submit(_run_with, one, 1) for one in islice(rest, threads - len(running)))
            if not running:
                return
            if not ahead:
                wait(running)
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def with_all_threads(one: Callable[[], T]) -> T:
    """Runs one pass with one PyTorch thread, so that another runtime may use all of PyTorch's threads.

    PyTorch's idle threads spin and would otherwise take processor time from the other runtime.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run_with(one, threads)
    finally:
        torch.set_num_threads(threads)


def runtime_threads() -> int:
    """Returns how many threads a runtime other than PyTorch may use in this thread's pass."""
    return getattr(_thread_state, "threads", 0) or torch.get_num_threads()


def _run_with(one: Callable[[], T], threads: int) -> T:
    _thread_state.threads = threads
    try:
        return one()
    finally:
        del _thread_state.threads


@cache
def _workers(threads: int, process: int) -> ThreadPoolExecutor:
    """Creates this process's worker threads (a fork does not copy them), each with one PyTorch thread."""
    ready = Barrier(threads + 1)

    def prepare() -> None:
        torch.get_num_threads()  # sets this thread's number to the default
        torch.set_num_threads(1)
        ready.wait()

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "pass", prepare)
    for _ in range(threads):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)  # the last number set is also the default of new threads
    return pool
