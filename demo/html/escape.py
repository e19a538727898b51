"""Escaping for `gr.HTML`: any user text is shown as text and never evaluated."""

from __future__ import annotations

import html

from demo.results.wording import printable

_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})


def escape(text: str) -> str:
    """Escapes text for `gr.HTML`, which interprets markup, ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def alert(message: str) -> str:
    """A message about something wrong or missing."""
    return f'<p class="alert" role="alert">{escape(message)}</p>'


def note(message: str) -> str:
    """A line that explains what is shown."""
    return f'<p class="note">{escape(message)}</p>'
