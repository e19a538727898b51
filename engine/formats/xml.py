"""Reads XML record by record, with the same kind of errors as other formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from engine.errors import InputError, first_line
from engine.formats.base import Source


def records(source: Source, root: str) -> Iterator[tuple[int, Element]]:
    """Yields each element inside the root of an XML file, and its line, as soon as the element is complete.

    External entities are not fetched. Raises a `FormatError` if nothing more can be read, after the complete elements
    before this place.
    """
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    within: list[Element] = []  # elements that have begun
    line = 1
    try:
        for chunk in source.chunks():
            parser.feed(chunk)
            for event, element in cast(Iterator[tuple[str, Element]], parser.read_events()):
                if event == "start":
                    if not within and element.tag != root:
                        problem = f"expected the root <{root}>, got <{element.tag[:60]}>; convert the file"
                        raise source.place(source.line).error(problem)
                    line = source.line if len(within) == 1 else line
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
        problem = f"expected well-formed XML, got {str(error).partition(':')[0]}; fix the file or fetch it again"
        raise source.place(error.position[0]).error(problem) from error
    except (LookupError, ValueError) as error:  # from Python's codecs, for encodings that expat does not know
        problem = f"expected an encoding that can be read, got {first_line(error)}; save it as UTF-8"
        raise source.place(source.line).error(problem) from error
