"""An open file and what a file format is, with helpers that several formats share."""

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from engine.errors import InputError, first_line
from engine.formats.checks import Ids, Place, split_suffix
from engine.text.documents import Document

OnDeleted = Callable[[str, int], None]  # called with the PMID and version of a citation that a PubMed file deletes

_SNIFFED = 20  # lines for recognising the format, even if the first ones are broken
_CHUNK = 1 << 16  # bytes; longer lines are read in several chunks
_ESCAPE = re.compile("%(?=[0-9A-F]{2})")


@dataclass
class Source:
    """An open file, which is read only once, so a pipe works. One whose name ends in ``.gz`` is unpacked.

    ``suffix``: the suffix before any ``.gz``, in lower case.
    ``head``: the first lines, without byte order mark and leading blanks.
    ``line``: number of the line being read, from 1.

    Raises an `InputError` if the file cannot be read.
    """

    file: IO[bytes]
    name: str  # its path, used for its suffix and in messages
    ids: Ids = field(default_factory=dict)  # of files read before, if ids must be unique across files
    on_deleted: OnDeleted | None = None  # called with each citation that a PubMed file deletes
    lines_are_texts: bool = False  # whether each line of plain text is a document; otherwise the whole file is one
    problems: set[str] = field(default_factory=set)  # named in errors of this file, see `FormatError.repeats`

    def __post_init__(self) -> None:
        self.line, self.suffix = 1, split_suffix(self.name)[1]
        chunks = self._read_chunks()
        first = list(islice(chunks, _SNIFFED))
        self._chunks, self.head = chain(first, chunks), _sniffable(b"".join(first))

    def _read_chunks(self) -> Iterator[bytes]:
        file = gzip.GzipFile(fileobj=self.file) if self.name.lower().endswith(".gz") else self.file
        with readable(self.name):
            yield from iter(lambda: file.readline(_CHUNK), b"")

    def place(self, line: int) -> Place:
        return Place(self.name, line, self.ids, problems=self.problems)

    def chunks(self) -> Iterator[bytes]:
        """Yields the file line by line, long lines in several chunks."""
        for chunk in self._chunks:
            yield chunk
            self.line += chunk.count(b"\n")

    def lines(self) -> Iterator[bytes]:
        """Yields the lines of the file, split at ``\\n`` only."""
        parts: list[bytes] = []
        for chunk in self.chunks():
            parts.append(chunk)
            if chunk.endswith(b"\n"):
                yield b"".join(parts)
                parts = []
        if parts:
            yield b"".join(parts)

    def blocks(self, starts_block: Callable[[bytes], bool]) -> Iterator[list[tuple[int, bytes]]]:
        """Yields blocks of numbered lines, without leading blank lines; ``starts_block`` says where one starts."""
        block: list[tuple[int, bytes]] = []
        for number, line in enumerate(self.lines(), start=1):
            if starts_block(line) and block:
                yield block
                block = []
            if block or line.strip():
                block.append((number, line))
        if block:
            yield block

    def elements(self, root: str) -> Iterator[tuple[int, Element]]:
        """Yields each element inside the root of an XML file, and its line, as soon as the element is complete.

        Raises a `FormatError` where nothing more can be read. External entities are not fetched.
        """
        parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
        within: list[Element] = []  # open elements
        line = 1
        try:
            for chunk in self.chunks():
                parser.feed(chunk)
                for event, element in cast(Iterator[tuple[str, Element]], parser.read_events()):
                    if event == "start":
                        if not within and element.tag != root:
                            problem = f"The root is <{element.tag[:60]}>, not <{root}>. Convert the file."
                            raise self.place(self.line).error(problem)
                        line = self.line if len(within) == 1 else line
                        within.append(element)
                    else:
                        within.pop()
                        if len(within) == 1:
                            yield line, element
                            within[0].clear()
            parser.close()
        except InputError:
            raise
        except ParseError as error:
            problem = f"This is not well-formed XML: {str(error).partition(':')[0]}. Fix the file or fetch it again."
            raise self.place(error.position[0]).error(problem) from error
        except (LookupError, ValueError) as error:  # from Python's codecs, for encodings that expat does not know
            problem = f"The encoding cannot be read: {first_line(error)}. Save the file as UTF-8."
            raise self.place(self.line).error(problem) from error


@dataclass(frozen=True)
class Format:
    """A file format."""

    name: str
    suffixes: tuple[str, ...]  # of file names, in lower case; written files get the first one
    sniff: Callable[[bytes], bool]  # whether a file has the format, from the head of its `Source`
    records: Callable[[Source], Iterator[tuple[int, Any]]]  # line and content of each document; raising ends the file
    document: Callable[[Any, Place], Document]  # made from such a content; or raises a `FormatError` of its place
    written: Callable[[Document], str] | None = None  # None if the format is only read
    head: str = ""  # what a written file has before, after and between documents
    foot: str = ""
    between: str = ""

    @property
    def suffix(self) -> str:
        return self.suffixes[0]

    def write(self, documents: Iterable[Document]) -> Iterator[str]:
        """Yields the parts of a file: its head, one part per document, and its foot."""
        assert self.written is not None, "the format is one of those that are written"
        yield self.head
        for number, content in enumerate(map(self.written, documents)):
            yield (self.between if number else "") + content
        yield self.foot


def most_lines_match(pattern: re.Pattern[bytes], head: bytes, *, but: re.Pattern[bytes] | None = None) -> bool:
    """Whether a pattern matches at the start of more than half of the lines, not counting blank lines and ``but``."""
    lines = [line for line in head.split(b"\n") if line.strip() and not (but and but.match(line))]
    return 2 * sum(pattern.match(line) is not None for line in lines) > len(lines)


def escaped(identifier: str, forbidden: re.Pattern[str]) -> str:
    """Writes an id with what a format cannot hold as ``%`` and hexadecimal digits, as `unescaped` reads it.

    Any other id is written as it is, unless `unescaped` would read another one.
    """
    if not forbidden.search(identifier) and unescaped(identifier, forbidden) == identifier:
        return identifier
    return forbidden.sub(lambda match: quote(match[0], "", errors="surrogatepass"), _ESCAPE.sub("%25", identifier))


def unescaped(identifier: str, forbidden: re.Pattern[str]) -> str:
    """The id that `escaped` writes so, or else the same."""
    original = unquote(identifier)
    return original if original != identifier and escaped(original, forbidden) == identifier else identifier


def on_one_line(text: str) -> str:
    """Replaces each tab and line break with one space, so that offsets stay valid."""
    return re.sub(r"[\t\r\n]", " ", text)


def _sniffable(head: bytes) -> bytes:
    """The first lines in UTF-8, also those of XML in UTF-16, without byte order mark and leading blanks."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "ignore").encode("utf-8", "replace")
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


@contextmanager
def readable(name: str | Path) -> Iterator[None]:
    """Turns any error in reading a file into an `InputError` that names the file."""
    try:
        yield
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        problem = getattr(error, "strerror", None) or first_line(error)
        remedy = "Fetch it again" if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile) else "Check the path"
        raise InputError(f"Cannot read {name}: {problem}. {remedy}.") from error
