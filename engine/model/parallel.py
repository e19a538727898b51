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
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")

# Compute threads do not survive a fork: a child that waits for them hangs.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def at_once(passes: Sequence[Callable[[], T]], count: int, threads: int, *, ahead: bool = True) -> Iterator[T]:
    """Runs passes in worker threads and yields their results in order.

    Passes start only when a result is requested, so a caller that stops iterating stops the work. Calls from several
    threads share the same workers, each of which keeps its own memory and OpenMP threads.

    Args:
        passes: the passes.
        count: maximum number of passes that run at a time.
        threads: number of PyTorch threads that each runs with.
        ahead: whether passes may run while the caller has a result. Otherwise up to ``count`` passes start together,
            and all of them end before the first result: slower by 2–6 %, but a caller that pauses is timed correctly.
    """
    pool, rest = _workers(count, threads, os.getpid()), iter(passes)
    running: deque[Future[T]] = deque()
    try:
        while True:
            if ahead or not running:
                running.extend(pool.submit(one) for one in islice(rest, count - len(running)))
            if not running:
                return
            if not ahead:
                wait(running)
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


@cache
def _workers(count: int, threads: int, process: int) -> ThreadPoolExecutor:
    """Creates this process's worker threads (a fork does not copy them), each with so many PyTorch threads."""
    ready = Barrier(count + 1)

    def prepare() -> None:
        torch.get_num_threads()  # sets this thread's number to the default
        torch.set_num_threads(threads)
        ready.wait()

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "pass", prepare)
    for _ in range(count):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)  # the last number set is also the default of new threads
    return pool
