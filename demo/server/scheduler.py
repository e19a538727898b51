"""Calls take turns pass by pass, so that a long text delays other visitors only briefly."""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Condition
from typing import Any, TypeVar

from engine import Engine, Result
from engine.inspection.explain import WordScores

T = TypeVar("T")


class Scheduler:
    """Runs one pass at a time; next is the call with the earliest time of waiting plus time used.

    ``max_debt_s``: the most time used, in seconds, that counts against a call, so that its turn comes.
    """

    def __init__(self, max_debt_s: float = 2.0) -> None:
        self._max_debt_s = max_debt_s
        self._waiting: list[tuple[float, int]] = []
        self._numbers = count()  # calls that are due at the same time run in order
        self._changed, self._free = Condition(), True

    def run(self, call: Callable[[Callable[[], None]], T]) -> T:
        """Runs a call in its turns. It gets a function that lets others take theirs, to call between passes."""
        used_s, began = 0.0, self._take(0.0)

        def between() -> None:
            nonlocal used_s, began
            used_s = min(self._max_debt_s, used_s + time.monotonic() - began)
            self._give()
            began = self._take(used_s)

        try:
            return call(between)
        finally:
            self._give()

    def _take(self, used_s: float) -> float:
        """Waits for a turn; returns when it began."""
        ticket = time.monotonic() + used_s, next(self._numbers)
        with self._changed:
            heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: self._free and self._waiting[0] == ticket)
            heappop(self._waiting)
            self._free = False
        return time.monotonic()

    def _give(self) -> None:
        with self._changed:
            self._free = True
            self._changed.notify_all()


class ScheduledEngine(Engine):
    """An engine that computes with another's model and takes turns with all engines of a scheduler."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self.__dict__.update(vars(engine))
        self._scheduler = scheduler

    def tag_batch(self, texts: Any, *arguments: Any, **settings: Any) -> list[Result]:
        """Tags texts in turns; see `Engine.tag_batch`."""
        tag = super().tag_batch
        return self._scheduler.run(lambda turn: tag(texts, *arguments, **settings | {"between": turn}))

    def explain(self, result: Result, between: Callable[[], None] | None = None) -> list[tuple[WordScores, ...]]:
        """Explains a result in turns; see `Engine.explain`."""
        explain = super().explain
        return self._scheduler.run(lambda turn: explain(result, turn))
