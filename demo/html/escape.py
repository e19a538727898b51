"""Texts of users as text: whatever they hold, `gr.HTML` shows it and evaluates nothing."""

from __future__ import annotations

import html
import re

_SURROGATES = re.compile("[\ud800-\udfff]")
_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})


def printable(text: str) -> str:
    """The text with the replacement character for lone surrogates, which JSON cannot carry; offsets stay."""
    return _SURROGATES.sub("\ufffd", text)


def escape(text: str) -> str:
    """The text for `gr.HTML`, which reads markup as well as ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def notice(message: str) -> str:
    """A message in place of results."""
    return f'<p class="notice" role="alert">{escape(message)}</p>'


def plain(message: str) -> str:
    """A line that explains."""
    return f'<p class="conditions">{escape(message)}</p>'
