"""Shows documents, documents per second and the time left, estimated from the bytes of the inputs."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from engine.command import STANDARD_ERROR

_IN_LOG = 60  # seconds between two lines if the output is not a terminal


class Progress:
    """A bar on standard error.

    Args:
        total: bytes of all inputs.
        done: bytes of those that were finished before.
    """

    def __init__(self, total: int, done: int) -> None:
        self._documents = 0
        self._begin = time.monotonic()
        interval = 1 if sys.stderr.isatty() else _IN_LOG
        form = "{desc}: {percentage:3.0f}% {bar} {elapsed}, {remaining} left"
        self._bar = tqdm(
            total=total,
            initial=done,
            smoothing=0,
            mininterval=interval,
            maxinterval=interval,
            bar_format=form,
            file=STANDARD_ERROR,
        )

    def advance(self, documents: int, size: int) -> None:
        """Adds documents and bytes."""
        self._documents += documents
        rate = self._documents / max(time.monotonic() - self._begin, 1e-9)
        self._bar.set_description_str(f"{self._documents:,} documents, {rate:,.1f}/s", refresh=False)
        self._bar.update(size)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        tqdm.write(text, file=STANDARD_ERROR)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
