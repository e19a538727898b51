"""Progress of long commands, in whole lines for screens and logs: the plan, the share done, and the result."""

import threading
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar, Self

from engine.cli.command import say

EVERY_S = 20.0  # between two lines


@dataclass(eq=False)
class Progress:
    """Prints a line from time to time while a command or a step runs; of nested ones, only the innermost prints."""

    running: ClassVar[list["Progress"]] = []  # those under way, each within the one before
    printed_at: ClassVar[float] = 0.0  # when any of them last printed a line

    plan: str = ""  # what the command will do, printed at once; without, a short run says nothing
    total: float = 0  # amount of work in any unit, e.g. steps or bytes; 0 if unknown
    done: float = 0  # how much of it earlier runs have done
    resume: str = ""  # how to continue, printed if the user interrupts the command
    note: str = ""  # a few words about the current step, which the next line shows in brackets

    def __post_init__(self) -> None:
        self._start, self._before, self._ended = monotonic(), self.done, threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        if self.plan:
            self._say(f"{self.plan}.")

    def __enter__(self) -> Self:
        Progress.running.append(self)
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._end()
        Progress.running.remove(self)
        if isinstance(error, KeyboardInterrupt) and self.resume:
            say(f"{self.line()} {self.resume}")

    def advance(self, amount: float = 1) -> None:
        self.done += amount

    def line(self) -> str:
        """The share done, and the time left at the pace so far."""
        seconds, new = monotonic() - self._start, self.done - self._before
        note = f" ({self.note})" if self.note else ""
        if not self.total and not self.done:
            return f"At work for {duration(seconds)}{note}."
        done = f"{min(100, 100 * self.done / self.total):.0f} %" if self.total else f"{self.done:,.0f}"
        if not (self.total and new):
            return f"{done} done after {duration(seconds)}{note}."
        left = max(0.0, self.total - self.done)
        return f"{done} done, about {duration(seconds * left / new)} left{note}."

    def finish(self, verdict: str, next_command: str = "") -> None:
        """Prints how the command ended, a whole sentence, and the command that comes next; no line follows."""
        self._end()
        if self.plan or monotonic() - self._start > EVERY_S:
            then = f"\nNext: {next_command}" if next_command else ""
            say(f"Done after {duration(monotonic() - self._start)}: {verdict}{then}")

    def _end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():  # a line may be on its way
            self._thread.join()

    def _report(self) -> None:
        while not self._ended.wait(EVERY_S / 20):
            if Progress.running[-1] is self and monotonic() >= Progress.printed_at + EVERY_S:
                self._say(self.line())

    def _say(self, line: str) -> None:
        Progress.printed_at = monotonic()
        say(line)


def duration(seconds: float) -> str:
    """Rounds seconds for people: ``8 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
