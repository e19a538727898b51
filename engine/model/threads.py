"""Passes that run at once, one thread each.

A layer on a few hundred rows gains little from a second thread: waiting for each other and small shares of work eat it
up. Two passes side by side, on one thread each, lose nothing.
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
_of_thread = local()


@dataclass(frozen=True)
class Share:
    """How many passes run at once, and how many threads another runtime than PyTorch may use in each."""

    passes: int
    threads: int


def at_once(passes: Sequence[Callable[[], T]], threads: int) -> Iterator[T]:
    """Runs passes, as many at a time as there are threads, and yields what they return, in order.

    A pass begins only when a result is asked for, so whoever stops asking stops the work. Calls from several threads
    share the same workers: together they use no more than ``threads``.

    Args:
        passes: what to run; PyTorch has one thread in each.
        threads: how many run at a time.
    """
    pool, rest = _workers(threads, os.getpid()), iter(passes)
    running: deque[Future[T]] = deque()
    try:
        while True:
            for one in islice(rest, threads - len(running)):
                running.append(pool.submit(_with, one, Share(threads, 1)))
            if not running:
                return
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def alone(one: Callable[[], T]) -> T:
    """Runs a pass with one thread of PyTorch, while another runtime may use as many as PyTorch had.

    PyTorch's idle threads spin, and would take the processor from those of the other runtime.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _with(one, Share(1, threads))
    finally:
        torch.set_num_threads(threads)


def share() -> Share:
    """The share of the pass that runs in this thread."""
    found: Share = getattr(_of_thread, "share", None) or Share(1, torch.get_num_threads())
    return found


def _with(one: Callable[[], T], its: Share) -> T:
    _of_thread.share = its
    try:
        return one()
    finally:
        del _of_thread.share


@cache
def _workers(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process (those of another do not survive a fork), in each of which PyTorch has one thread."""
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
