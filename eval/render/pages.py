"""Pages in Markdown, and Markdown as HTML: reports, and the documents that the app serves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from eval.render.text import escape

LONG = 36  # cells with more characters may wrap; shorter ones hold figures with intervals or names of strategies
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TEMPLATES = Environment(
    loader=PackageLoader("eval.render"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters["text"] = escape


@dataclass(frozen=True)
class Table:
    """A table of plain text."""

    columns: Sequence[str]  # headings
    rows: Sequence[Sequence[object]]  # cells

    @property
    def markdown(self) -> str:
        """The table, cells escaped."""
        lines = [list(map(escape, line)) for line in (self.columns, *self.rows)]
        lines.insert(1, ["---"] * len(self.columns))
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write_page(path: Path, text: str) -> None:
    """Writes a page in UTF-8 in any locale; lone surrogates, which a corpus may contain, become question marks."""
    path.write_text(text, encoding="utf-8", errors="replace")


def page(template: str, **parts: Any) -> str:
    """Fills a template; in those of Markdown, the filter ``text`` escapes."""
    return _TEMPLATES.get_template(template).render(parts)


def as_html(markdown: str) -> str:
    """Renders a Markdown document, whose first heading is the title; raw HTML but comments is shown as text.

    Long cells have a class.
    """
    tokens, title = _PARSER.parse(_COMMENT.sub("", markdown)), ""
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            title = title or unescape(inside.content)
        elif token.type == "td_open" and len(inside.content) > LONG:
            token.attrSet("class", "long")
    return page("page.html", title=title, body=Markup(_PARSER.renderer.render(tokens, _PARSER.options, {})))
