"""The kind of error that a user can fix; command lines print it without a traceback."""

from __future__ import annotations

_LONGEST = 1000  # characters of a message: what it quotes may be as long as a file


class InputError(ValueError):
    """A text, file, setting or model folder cannot be used; the message says what was expected and what to do.

    The message is one line of bounded length, and what a terminal would obey is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, _LONGEST))


class FormatError(InputError):
    """A corpus file is broken in one place; the message reads ``FILE:LINE: document ID: expected X, got Y``.

    ``ends_file``: nothing can be read after this place.
    """

    ends_file = False

    def __init__(self, file: str, line: int, document: str | None, problem: str) -> None:
        where = f"{file}:{line}: " + (f"document {one_line(document, 80)}: " if document else "")
        super().__init__(where + problem)
        self.file, self.line, self.document, self.problem = file, line, document, problem

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, int, str | None, str]]:
        return type(self), (self.file, self.line, self.document, self.problem)


def first_line(error: Exception) -> str:
    """The first line of a library's error message, or the error's type where there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(text: str, longest: int) -> str:
    """A text with control characters, line breaks and lone surrogates escaped; a long one loses its middle."""
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]} … {text[-half:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    """A text in quotes for a message, cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
