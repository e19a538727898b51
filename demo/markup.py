"""Text for the page: escaped where it becomes markup, and labels in words."""

import html
import re

from engine.text.labels import label_parts

_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})
_SURROGATES = re.compile("[\ud800-\udfff]")
_PREFIXES = {"O": "no entity", "B": "begin", "I": "inside", "E": "end", "S": "single"}


def printable(text: str) -> str:
    """The text with lone surrogates, which JSON cannot carry, replaced one for one to keep offsets valid."""
    return _SURROGATES.sub("\ufffd", text)


def escape(text: str) -> str:
    """Escapes text for `gr.HTML`, which interprets markup, ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def label_name(label: str) -> str:
    """A label in words: ``no entity``, ``begin Chemical``, ``single Chemical``."""
    prefix, type_ = label_parts(label)
    return f"{_PREFIXES[prefix]} {type_}".rstrip()


def number_of(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun; ``plural`` is given if it is not the noun with an ``s``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
