"""Decides who computes next: passes of different calls take turns, so a long text delays others only briefly."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Thread
from typing import TypeVar

MAX_DEBT_S = 2.0
T = TypeVar("T")


class Shares:
    """Runs one pass at a time. Next is the call that has waited longest, minus the time it has used.

    One thread does all the work: every thread that computes keeps its own memory and OpenMP threads. If a process has
    more OpenMP threads than processors, idle ones sleep (libgomp), and every operation must wake them.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self._changed = Condition()
        self._waiting: list[Share] = []
        self._busy = False

    def of_call(self) -> Share:
        """Returns what runs the passes of one call."""
        return Share(self)

    def wait_for(self, share: Share) -> None:
        """Returns when it is this call's turn."""
        with self._changed:
            self._waiting.append(share)
            self._changed.wait_for(lambda: not self._busy and min(self._waiting, key=lambda one: one.due) is share)
            self._waiting.remove(share)
            self._busy = True

    def free(self) -> None:
        """Lets the next one in."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()


def in_thread_that_ends(work: Callable[[], T]) -> T:
    """Returns or raises what ``work`` does. Its OpenMP threads end with it; an interrupt does not wait for it."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
            found.set_exception(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    return found.result()


class Share:
    """A call's share of the time. ``due``: the smallest goes first."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._had = self.due = 0.0

    def __call__(self, one: Callable[[], T]) -> T:
        """Runs a pass when it is this call's turn."""
        self.due = time.monotonic() + self._had
        self._shares.wait_for(self)
        began = time.monotonic()
        try:
            return self._shares.thread.submit(one).result()
        finally:
            self._had = min(MAX_DEBT_S, self._had + time.monotonic() - began)
            self._shares.free()
