"""Runs several passes at once, with one thread each.

A layer on a few hundred rows gains little from a second thread, because synchronisation and small shares of work cost
as much. Two passes side by side, with one thread each, have no such cost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

A = TypeVar("A")
T = TypeVar("T")

# Compute threads do not survive a fork: a child that waits for them hangs.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def at_once(function: Callable[[A], T], items: Iterable[A], count: int, threads: int) -> Iterator[T]:
    """Maps a function over items in ``count`` worker threads, each with ``threads`` threads of PyTorch, in order.

    Calls from several threads share the same workers, each of which keeps its own memory and OpenMP threads.
    """
    return _workers(count, threads, os.getpid()).map(function, items)


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
