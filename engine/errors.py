"""The one kind of error that is the user's to mend; command lines print it without a traceback."""

from __future__ import annotations


class InputError(ValueError):
    """A text, file, setting or model folder is not usable; the message says what was expected and what to do."""


def first_line(error: Exception) -> str:
    """What an error of a library says, cut to one line; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class FormatError(InputError):
    """A corpus file is broken at one place; reads ``FILE:LINE: document ID: expected X, got Y``."""

    def __init__(self, file: str, line: int, document: str | None, problem: str) -> None:
        where = f"{file}:{line}: " + (f"document {document}: " if document else "")
        super().__init__(where + problem)
        self.file, self.line, self.document, self.problem = file, line, document, problem
