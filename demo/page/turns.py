"""Tracks each visitor's latest request, so work on older ones stops: the last click wins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from threading import Lock
from typing import Any

MAX_SESSIONS = 1000  # remembered; a forgotten session only computes to the end


def fingerprint(values: Sequence[Any]) -> int:
    """A number that identifies component values, so no text has to be kept."""
    # Hashes text, because −1 and −2 have the same hash; 1 and 1.0 are the same slider value.
    return hash(tuple(repr(float(value) if isinstance(value, int) else value) for value in values))


class Turns:
    """Numbers the requests of each session."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._latest: OrderedDict[str | None, tuple[int, int | None]] = OrderedDict()  # number and mark
        self._lock = Lock()

    def take(self, session: str | None, mark: int | None = None) -> int:
        """Takes a new number, the session's latest.

        Args:
            session: the visitor's session.
            mark: `fingerprint` of what is requested; none if this only ends older requests.
        """
        with self._lock:
            return self._take(session, mark)

    def take_if_new(self, session: str | None, mark: int) -> int | None:
        """Like `take`, but no number if the session's latest request has the same mark."""
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
        """Whether the session has requested nothing since."""
        latest, _ = self._latest.get(session, (number, None))
        return latest == number
