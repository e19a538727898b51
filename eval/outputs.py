"""Folders that commands write to: one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import InputError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder where it is missing, and keeps it to this process; the lock ends with it, however that is.

    Raises:
        InputError: another process has it, or it cannot be written to.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(
            f"expected {folder} to be free, got one that another process writes to; wait, or choose another --out"
        ) from error
    except OSError as error:
        raise InputError(f"expected a folder to write to, got {folder}: {error.strerror}; choose another") from error
    try:
        yield
    finally:
        lock.release()
