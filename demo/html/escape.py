"""Escaping for `gr.HTML`: whatever a user's text holds, it is shown as text and evaluates nothing."""

from __future__ import annotations

import html

from demo.results.wording import printable

_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})


def escape(text: str) -> str:
    """The text for `gr.HTML`, which interprets markup as well as ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def alert(message: str) -> str:
    """A message that something is wrong or missing."""
    return f'<p class="alert" role="alert">{escape(message)}</p>'


def note(message: str) -> str:
    """A line that explains what is shown."""
    return f'<p class="note">{escape(message)}</p>'
