"""How a command line exits.

Any problem with its input or output becomes one sentence and an exit status:

| status | meaning |
| --- | --- |
| 0 | done |
| 2 | bad input, or output that cannot be written; the sentence on standard error says which |
| 130 | interrupted from the keyboard |
| 141 | the reader of the output closed it (``| head``): not an error, so there is no sentence |
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from io import TextIOWrapper
from typing import Any, TextIO

from safetensors import SafetensorError

from engine.errors import InputError, first_line


def as_command(main: Callable[[list[str] | None], int]) -> Callable[..., int]:
    """Turns a function from arguments to an exit status into a command line that exits as the module describes."""

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdout = sys.stdout or _closed()
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115  # stays open to the end
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # regardless of locale: results and figures are not ASCII
                stream.reconfigure(encoding="utf-8", errors="replace")
        try:
            status = main(argv)
            sys.stdout.flush()
            return _end(status)
        except InputError as error:
            return _end(2, str(error))
        except BrokenPipeError:
            return _end(141)
        except (OSError, SafetensorError) as error:
            return _end(2, str(_output_error(error)))
        except KeyboardInterrupt:
            return _end(130, "interrupted")

    return run


def _closed() -> TextIO:
    """A stand-in for a closed standard output: every write fails."""
    return os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")


def _output_error(error: OSError | SafetensorError) -> InputError:
    """The error for files or a standard output that cannot be written, or cannot be read."""
    problem = getattr(error, "strerror", None) or first_line(error)
    place = getattr(error, "filename", None) or "the output"
    return InputError(f"expected to read and write {place}, got: {problem}; check the path, rights and space left")


class _StandardError:
    """Standard error as a file; ignores failed writes."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


STANDARD_ERROR = _StandardError()  # for progress


def say(sentence: str) -> None:
    """Prints a sentence on standard error; ignores a failed write."""
    print(sentence, file=STANDARD_ERROR, flush=True)


def _end(status: int, sentence: str = "") -> int:
    if sentence:
        say(sentence)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would try to write the rest at exit, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status
