"""The kind of error that a user can fix; command lines print it without a traceback."""

from __future__ import annotations


class InputError(ValueError):
    """A text, file, setting or model folder cannot be used; the message says what was expected and what to do."""


def first_line(error: Exception) -> str:
    """The first line of a library's error message, or the error's type where there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class FormatError(InputError):
    """A corpus file is broken in one place; the message reads ``FILE:LINE: document ID: expected X, got Y``."""

    def __init__(self, file: str, line: int, document: str | None, problem: str) -> None:
        where = f"{file}:{line}: " + (f"document {document}: " if document else "")
        super().__init__(where + problem)
        self.file, self.line, self.document, self.problem = file, line, document, problem
