"""Pages as Markdown and as self-contained HTML, from templates: reports, and the documents that the app serves."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from PIL import Image

from eval.render.markdown import anchor, escape, table

LONG = 36  # cells with more characters may wrap; shorter ones are figures with their intervals, names of strategies
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
_TEMPLATES = Environment(
    loader=PackageLoader("eval.render"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)
_TEMPLATES.globals |= {"anchor": anchor, "markdown_table": table, "LONG": LONG}
_TEMPLATES.filters["markdown_text"] = escape


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    ``caption``: Markdown. ``folded``: exhaustive, so HTML shows it folded and Markdown leaves it out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a page: a plain title, then Markdown and tables."""

    title: str
    parts: Sequence[str | Table]


@dataclass(frozen=True)
class Report:
    """A page: a plain title, plain notes, what it opens with, and sections that its contents list names."""

    title: str
    sections: Sequence[Section]
    opening: Sequence[str | Table] = ()
    notes: Sequence[str] = ()


def write_page(path: Path, text: str) -> None:
    """Writes a page in UTF-8, regardless of locale; lone surrogates, which a corpus may have, become question marks."""
    path.write_text(text, encoding="utf-8", errors="replace")


def write_pages(report: Report, folder: Path, name: str) -> None:
    """Writes a page as ``NAME.md`` and as ``NAME.html``, which holds the folder's images."""

    def markdown(text: str) -> Markup:
        return _body(_PARSER.parse(text), folder)

    write_page(folder / f"{name}.md", _TEMPLATES.get_template("report.md").render(page=report))
    html = _TEMPLATES.get_template("report.html").render(page=report, title=report.title, markdown=markdown)
    write_page(folder / f"{name}.html", html)


def page(markdown: str) -> str:
    """Renders a document as a page; raw HTML stays text, headings have GitHub's anchors.

    Args:
        markdown: the text, whose first heading is the title.
    """
    tokens = _PARSER.parse(markdown)
    titles = [after for token, after in pairwise(tokens) if token.type == "heading_open"]
    title = unescape(titles[0].content) if titles else ""
    return _TEMPLATES.get_template("page.html").render(title=title, body=_body(tokens))


def _body(tokens: Sequence[Token], folder: Path | None = None) -> Markup:
    """Renders Markdown: headings have anchors, long cells their class; a folder's images are embedded."""
    used: Counter[str] = Counter()
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inside.children or [] if child.type in ("text", "code_inline"))
            name = anchor(text)
            token.attrSet("id", f"{name}-{used[name]}" if used[name] else name)
            used[name] += 1
        elif token.type == "td_open" and len(inside.content) > LONG:
            token.attrSet("class", "long")
    images = [child for token in tokens for child in token.children or [] if child.type == "image"]
    if folder is not None:
        for image in images:
            image.attrs["src"] = _embedded(folder / str(image.attrs["src"]))
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _embedded(file: Path) -> str:
    """An image as an address, in a format that takes two thirds of the space."""
    packed = io.BytesIO()
    Image.open(file).save(packed, "webp", lossless=True, quality=100, method=4)
    return f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"
