"""Calls take turns pass by pass, so that a long text delays other visitors only briefly."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from itertools import count
from threading import Condition
from typing import Any, TypeVar

from demo.common.limits import WORKS
from engine import Engine, Result

T = TypeVar("T")
Between = Callable[[], None]


class Turns:
    """Lets one call compute at a time; the turn goes to the one with the earliest time of waiting plus time used.

    Calls compute in threads of their own pool, which prefers a thread that has computed before: each keeps its own
    memory and OpenMP threads.

    ``max_debt_s``: the most time used, in seconds, that counts against a call, so that its turn comes.
    """

    def __init__(self, max_debt_s: float = 2.0) -> None:
        self._max_debt_s = max_debt_s
        self._pool = ThreadPoolExecutor(sum(work["concurrency_limit"] for work in WORKS))
        self._numbers = count()  # calls that are due at the same time run in order
        self._waiting: list[tuple[float, int]] = []
        self._changed = Condition()
        self._busy = False

    def run(self, work: Callable[[Between], T]) -> T:
        """Returns or raises what ``work`` does; it gets a function to call between passes, which passes the turn on."""
        return self._pool.submit(self._run, work).result()

    def _run(self, work: Callable[[Between], T]) -> T:
        used_s = 0.0
        began = self._begin(used_s)

        def between() -> None:
            nonlocal used_s, began
            used_s = min(self._max_debt_s, used_s + time.monotonic() - began)
            self._end()
            began = self._begin(used_s)

        try:
            return work(between)
        finally:
            self._end()

    def _begin(self, used_s: float) -> float:
        """Waits for the turn of a call that has used so many seconds; returns the time."""
        with self._changed:
            place = time.monotonic() + used_s, next(self._numbers)
            heappush(self._waiting, place)
            self._changed.wait_for(lambda: not self._busy and self._waiting[0] == place)
            heappop(self._waiting)
            self._busy = True
        return time.monotonic()

    def _end(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()


class SharedEngine(Engine):
    """An engine that computes with another's model and takes turns with all that share its `Turns`."""

    def __init__(self, engine: Engine, turns: Turns) -> None:
        self.__dict__.update(vars(engine))
        self._turns = turns

    def tag_batch(self, texts: Any, *arguments: Any, **settings: Any) -> list[Result]:
        """Tags texts in turns; see `Engine.tag_batch`."""
        tag = super().tag_batch
        return self._turns.run(lambda between: tag(texts, *arguments, **settings | {"between": between}))

    def in_turn(self, work: Callable[[], T]) -> T:
        """Does other work that computes."""
        return self._turns.run(lambda _: work())

    def beside(self, engine: Engine) -> SharedEngine:
        """Another engine that takes turns with this one."""
        return SharedEngine(engine, self._turns)
