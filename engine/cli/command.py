"""How commands end: a problem with input or output becomes one sentence on standard error and an exit status.

The status is 0 if all is done, 2 for bad input and for output that cannot be written, 130 after an interrupt from the
keyboard, and 141, without a sentence, if the reader of the output closed it (``| head``).
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable
from functools import cache, wraps
from io import TextIOWrapper
from itertools import pairwise

from safetensors import SafetensorError
from tqdm import tqdm

from engine.errors import InputError, extra, first_line


def as_command(main: Callable[[list[str]], int]) -> Callable[..., int]:
    """Makes a command line, which exits as described above, from a function that maps arguments to an exit status."""

    @wraps(main)
    def run(argv: list[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # in any locale, because results and figures are not ASCII
                stream.reconfigure(encoding="utf-8", errors="replace")
        _show_logs()
        try:
            arguments = sys.argv[1:] if argv is None else argv
            _refuse_empty_values(arguments)
            with extra("training"):  # commands that need another one say so themselves
                status = main(arguments)
            sys.stdout.flush()
            return status
        except InputError as error:
            return _finish(2, str(error))
        except BrokenPipeError:
            return _finish(141)
        except (OSError, SafetensorError) as error:
            problem = getattr(error, "strerror", None) or first_line(error)
            name = getattr(error, "filename", None) or "the output"
            return _finish(2, f"Cannot read or write {name}: {problem}. Check path, permissions and disk space.")
        except KeyboardInterrupt:
            return _finish(130, "interrupted")

    return run


def _refuse_empty_values(argv: list[str]) -> None:
    """Raises an `InputError` for ``--out ""`` and the like, which would otherwise mean the current folder."""
    for option, value in pairwise([*argv, "-"]):
        if option.startswith("--") and (not value or option.endswith("=")):
            raise InputError(f"{option.rstrip('=')} has no value. Give one.")


def new_parser(module: str, docstring: str | None) -> argparse.ArgumentParser:
    """The parser of a module's command, named as it was called: ``bioner tag`` or ``python -m engine.tag``."""
    name = sys.argv[0] if sys.argv[0].startswith("bioner ") else f"python -m {module}"
    description = re.sub(r": ``python -m [^`]*``", "", docstring or "").replace("``", "")
    return argparse.ArgumentParser(prog=name, description=description)


def say(sentence: str) -> None:
    """Prints a line to standard error, above any bars."""
    tqdm.write(sentence, file=sys.stderr)


class _Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@cache
def _show_logs() -> None:
    """Shows warnings, and what steps and training log."""
    logging.getLogger().addHandler(_Said())
    for name in ("engine.cli", "engine.training"):
        logging.getLogger(name).setLevel(logging.INFO)


def _finish(status: int, sentence: str = "") -> int:
    if sentence:
        say(sentence)
    try:
        sys.stdout.flush()
    except OSError:  # otherwise Python tries to write the rest at exit, and complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
