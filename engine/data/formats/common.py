"""What the readers share: decoding, unique ids, and how a broken document is reported."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.errors import FormatError

OnError = Callable[[FormatError], None]


def fail(error: FormatError) -> None:
    """The default of ``on_error``: raises."""
    raise error


def encoding_problem(error: UnicodeDecodeError) -> str:
    """The message for bytes that are not UTF-8."""
    return f"expected UTF-8, got byte 0x{error.object[error.start]:02x}; save the file as UTF-8"


def decoded(raw: bytes, file: str, number: int, document: str | None) -> str:
    """Line ``number`` of a file without its line break.

    Raises:
        FormatError: not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FormatError(file, number, document, encoding_problem(error)) from error


def claim(identifier: str, seen: set[str], file: str, line: int) -> None:
    """Records the id of a document.

    Raises:
        FormatError: another document has this id.
    """
    if identifier in seen:
        problem = "expected a unique id, got one that is used above; rename it"
        raise FormatError(file, line, identifier, problem)
    seen.add(identifier)


def flat(text: str) -> str:
    """The text on one line without tabs: each tab and line break becomes a space, so that offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)
