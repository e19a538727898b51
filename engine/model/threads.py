"""Runs several passes at once, with one thread each.

A layer on a few hundred rows gains little from a second thread, because synchronisation and small shares of work cost
as much. Two passes side by side, with one thread each, have no such cost.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from threading import Barrier, local
from typing import TypeVar

import torch

T = TypeVar("T")
_thread_state = local()


@dataclass(frozen=True)
class Share:
    """The number of passes that run at once, and of threads that a runtime other than PyTorch may use in each."""

    passes: int
    threads: int


def at_once(passes: Sequence[Callable[[], T]], threads: int) -> Iterator[T]:
    """Runs passes in parallel and yields their results in order.

    Passes start only when a result is requested, so a caller that stops iterating stops the work. Calls from several
    threads share the same workers, so together they use no more than ``threads``.

    Args:
        passes: the passes; each runs with one PyTorch thread.
        threads: maximum number of passes that run at a time.
    """
    pool, rest = _workers(threads, os.getpid()), iter(passes)
    running: deque[Future[T]] = deque()
    try:
        while True:
            for one in islice(rest, threads - len(running)):
                running.append(pool.submit(_call_with_share, one, Share(threads, 1)))
            if not running:
                return
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def alone(one: Callable[[], T]) -> T:
    """Runs one pass with one PyTorch thread, so that another runtime may use all of PyTorch's threads.

    PyTorch's idle threads spin and would otherwise take processor time from the other runtime.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _call_with_share(one, Share(1, threads))
    finally:
        torch.set_num_threads(threads)


def share() -> Share:
    """Returns the share of the pass that runs in this thread."""
    found: Share = getattr(_thread_state, "share", None) or Share(1, torch.get_num_threads())
    return found


def _call_with_share(one: Callable[[], T], its: Share) -> T:
    _thread_state.share = its
    try:
        return one()
    finally:
        del _thread_state.share


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
