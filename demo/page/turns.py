"""Which request of a visitor is the latest, so that work on older ones stops: the last click wins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from threading import Lock
from typing import Any

MAX_SESSIONS = 1000  # remembered; a forgotten one only computes to the end


def fingerprint(values: Sequence[Any]) -> int:
    """A number that stands for the values of components, so that no text has to be kept."""
    # It hashes text, since −1 and −2 have the same hash; 1 and 1.0 are the same value of a slider.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))


class Turns:
    """Numbers the requests of each session."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._latest: OrderedDict[str | None, tuple[int, int | None]] = OrderedDict()  # number and mark
        self._lock = Lock()

    def take(self, session: str | None, mark: int | None = None) -> int:
        """A new number, the session's latest.

        Args:
            session: of the visitor.
            mark: `fingerprint` of what is requested; nothing, if it is only that older requests end.
        """
        with self._lock:
            return self._take(session, mark)

    def take_if_new(self, session: str | None, mark: int) -> int | None:
        """As `take`, but no number if the session's latest request has the same mark."""
        with self._lock:
            _, latest = self._latest.get(session, (0, None))
            return None if mark == latest else self._take(session, mark)

    def _take(self, session: str | None, mark: int | None) -> int:
        number = next(self._numbers)
        self._latest[session] = number, mark
        self._latest.move_to_end(session)
        if len(self._latest) > MAX_SESSIONS:
            self._latest.popitem(last=False)
        return number

    def is_latest(self, session: str | None, number: int) -> bool:
        """Whether the session has asked for nothing since."""
        latest, _ = self._latest.get(session, (number, None))
        return latest == number
