"""Calls take turns pass by pass, so that a long text delays other visitors only briefly."""

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

T = TypeVar("T")


@dataclass
class _Call:
    """The steps that a call has yet to do, its result in the end, and the seconds that it has used."""

    steps: Generator[None, None, Any]
    result: Future[Any] = field(default_factory=Future)
    used_s: float = 0.0


class Scheduler:
    """Runs one step of a call at a time; next is the call with the earliest time of waiting plus time used.

    One thread does all the work: every thread that computes keeps its own memory and OpenMP threads. If a process has
    more OpenMP threads than processors, idle ones sleep (libgomp), and every operation must wake them.

    ``max_debt_s``: the most time used, in seconds, that counts against a call, so that its turn comes.
    """

    def __init__(self, max_debt_s: float = 2.0) -> None:
        self._max_debt_s = max_debt_s
        self._waiting: PriorityQueue[tuple[float, int, _Call]] = PriorityQueue()
        self._numbers = count()  # calls that are due at the same time run in order
        Thread(target=self._work, daemon=True).start()

    def run(self, steps: Generator[None, None, T]) -> T:
        """Runs the steps of a call, each in its turn, and returns or raises what the generator does."""
        call = _Call(steps)
        self._enqueue(call)
        result: T = call.result.result()
        return result

    def _enqueue(self, call: _Call) -> None:
        self._waiting.put((time.monotonic() + call.used_s, next(self._numbers), call))

    def _work(self) -> None:
        while True:
            _, _, call = self._waiting.get()
            began = time.monotonic()
            try:
                next(call.steps)
            except StopIteration as end:
                call.result.set_result(end.value)
            except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                call.result.set_exception(error)
            else:
                call.used_s = min(self._max_debt_s, call.used_s + time.monotonic() - began)
                self._enqueue(call)
            del call  # results are large


class ScheduledEngine(Engine):
    """An engine that computes with another's model and takes turns with all engines of a scheduler."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self.__dict__.update(vars(engine))
        self._scheduler = scheduler

    def tag_batch(self, texts: Any, *arguments: Any, **settings: Any) -> list[Result]:
        """Tags texts in turns; see `Engine.tag_batch`."""
        return self._scheduler.run(self.steps(texts, *arguments, **settings))

    def explain(self, result: Result) -> Any:
        """Explains a result in turns; see `Engine.explain`."""
        return self._scheduler.run(self.explain_steps(result))
