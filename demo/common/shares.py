"""Decides who computes next: passes of different calls take turns, so a long text delays others only briefly."""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from queue import PriorityQueue
from threading import Thread
from typing import Any, TypeVar

from engine import Engine, Result

MAX_DEBT_S = 2.0
T = TypeVar("T")


@dataclass
class _Call:
    """What a call has yet to do, what it gives in the end, and the seconds that it has had."""

    steps: Generator[None, None, Any]
    found: Future[Any] = field(default_factory=Future)
    had: float = 0.0


class Shares:
    """Runs one step of a call at a time. Next is the call that has waited longest, minus the time it has used.

    One thread does all the work: every thread that computes keeps its own memory and OpenMP threads. If a process has
    more OpenMP threads than processors, idle ones sleep (libgomp), and every operation must wake them.

    Args:
        max_debt_s: seconds; a call that has used more waits no longer than one that has used as many.
    """

    def __init__(self, max_debt_s: float = MAX_DEBT_S) -> None:
        self._max_debt_s = max_debt_s
        self._waiting: PriorityQueue[tuple[float, int, _Call]] = PriorityQueue()
        self._numbers = count()  # calls that are due at the same time run in order
        Thread(target=self._work, daemon=True).start()

    def run(self, steps: Generator[None, None, T]) -> T:
        """Runs the steps of a call, each when it is its turn; returns or raises what they do in the end."""
        call = _Call(steps)
        self._wait(call)
        found: T = call.found.result()
        return found

    def _wait(self, call: _Call) -> None:
        self._waiting.put((time.monotonic() + call.had, next(self._numbers), call))

    def _work(self) -> None:
        while True:
            _, _, call = self._waiting.get()
            began = time.monotonic()
            try:
                next(call.steps)
            except StopIteration as end:
                call.found.set_result(end.value)
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
                call.found.set_exception(error)
            else:
                call.had = min(self._max_debt_s, call.had + time.monotonic() - began)
                self._wait(call)
            del call  # results are large


class SharedEngine(Engine):
    """An engine whose calls take turns with those of others; it computes with the same model."""

    def __init__(self, engine: Engine, shares: Shares) -> None:
        self.__dict__.update(vars(engine))
        self._shares = shares

    def tag_batch(self, texts: Any, *arguments: Any, **settings: Any) -> list[Result]:
        """Like the engine's, in turns."""
        return self._shares.run(self.steps(texts, *arguments, **settings))

    def explain(self, result: Result) -> Any:
        """Like the engine's, in turns."""
        return self._shares.run(self.explain_steps(result))
