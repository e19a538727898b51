"""Parses XML in pieces, with errors like other formats'; refuses entities, since they can expand without bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any, TypeVar
from xml.parsers import expat

from engine.errors import FormatError, first_line

Broken = Callable[[str], FormatError]  # the error for a problem at the parser's position
T = TypeVar("T")


def expat_parser(broken: Broken) -> Any:
    """An expat parser that refuses entity declarations."""

    def declared(*_: Any) -> None:
        raise broken("expected no entity declarations, got one; remove it")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.EntityDeclHandler = declared
    return parser


def parse(parser: Any, piece: bytes, last: bool, broken: Broken, remedy: str = "fix the file") -> None:
    """Parses the next piece.

    Raises:
        FormatError: not well-formed, an encoding that cannot be read, or what the parser's handlers raise.
    """
    try:
        parser.Parse(piece, last)
    except expat.ExpatError as error:
        raise broken(f"expected well-formed XML, got {expat.ErrorString(error.code)}; {remedy}") from error
    except FormatError:
        raise
    except (LookupError, ValueError) as error:  # from Python's handler for encodings that expat does not know
        problem = f"expected an encoding that can be read, got {first_line(error)}; save the file as UTF-8"
        raise broken(problem) from error


def each_finished(pieces: Iterable[bytes], feed: Callable[[bytes, bool], None], finished: list[T]) -> Iterator[T]:
    """Calls ``feed`` with each piece of a file and whether it is the last; yields what it appends to ``finished``.

    Raises:
        FormatError: as ``feed`` does, after what was finished before that place.
    """
    for piece, last in chain(zip(pieces, repeat(False)), [(b"", True)]):
        problem: FormatError | None = None
        try:
            feed(piece, last)
        except FormatError as error:
            problem = error
        yield from finished
        finished.clear()
        if problem is not None:
            raise problem
