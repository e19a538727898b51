"""Errors that a user can fix; command lines print them without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

_LONGEST = 1000  # characters; a message may quote a whole file


class InputError(ValueError):
    """A text, file, setting or model folder is unusable; the message says what is wrong, where, and what to do.

    The message is one line of bounded length, with control characters escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, _LONGEST))


class FormatError(InputError):
    """A corpus file is broken in one place; the message reads ``FILE:LINE: document ID: PROBLEM``.

    ``ends_file``: whether nothing after this place can be read.
    ``repeats``: whether an error of the same file has said so before, of another document; one report is enough.
    ``others``: the errors of further mentions of the same document.
    """

    ends_file = False
    others: "tuple[FormatError, ...]" = ()

    def __init__(self, file: str, line: int, document: str | None, problem: str, *, repeats: bool = False) -> None:
        where = f"{file}:{line}: " + (f"document {one_line(document, 80)}: " if document else "")
        super().__init__(where + problem)
        self.file, self.line, self.document, self.problem, self.repeats = file, line, document, problem, repeats

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.line, self.document, self.problem), vars(self)


@contextmanager
def explained(problem: str, remedy: str) -> Iterator[None]:
    """Turns any error of a library into an `InputError`: ``PROBLEM: first line of the error. REMEDY.``

    ``with explained(f"Cannot read {path}", "Restore the file"): …``
    """
    try:
        yield
    except Exception as error:
        raise InputError(f"{problem}: {first_line(error).rstrip('.')}. {remedy}.") from error


@contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Turns a missing package into an `InputError` that says which extra of this project brings it.

    ``packages``: those that must be there, imported or not.
    """
    try:
        for package in packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
        yield
    except ModuleNotFoundError as error:
        make = {"app": ", or run make app there", "eval": ", or run make report there"}.get(name, "")
        install = f'Install it in a clone: pip install ".[{name}]"{make}'
        raise InputError(f"The package {error.name} is missing. {install}") from error


def first_line(error: Exception) -> str:
    """Returns the first line of a library's error message, or the error's type if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(text: str, longest: int) -> str:
    """Escapes control characters, line breaks and lone surrogates; cuts the middle out of a long text."""
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]} … {text[-half:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    """Quotes a text for a message, truncating a long one."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
