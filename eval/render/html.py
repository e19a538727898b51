"""Renders Markdown as a self-contained page: ``report.html``, and the documents that the app serves."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from collections.abc import Sequence
from html import escape, unescape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image

# Cells up to this many characters stay on one line: figures with their intervals, names of strategies.
_SHORT = 40
_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: light-dark(#1b1b1b, #e8e8e8); background: light-dark(#fff, #17191c); }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; }
th { background: light-dark(#f2f2f2, #26292e); }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 16rem; }
blockquote { border-left: 4px solid #b35900; margin-left: 0; padding-left: 1rem; }
img { max-width: 100%; background: #fff; }
pre { overflow-x: auto; }
code { font-size: .93em; overflow-wrap: anywhere; }
"""


def page(markdown: str, folder: Path | None = None) -> str:
    """Renders a text as a page; raw HTML stays text, headings have GitHub's anchors.

    Args:
        markdown: the text, whose first heading is the title.
        folder: holds the images to embed; ``None``: the page links them.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    titles = [after for token, after in pairwise(tokens) if token.type == "heading_open"]
    _mark(tokens)
    if folder is not None:
        _embed(tokens, folder)
    title = unescape(titles[0].content) if titles else ""
    body = parser.renderer.render(tokens, parser.options, {})
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}</body></html>\n'


def _mark(tokens: Sequence[Token]) -> None:
    """Gives headings their anchors and long cells their class."""
    used: Counter[str] = Counter()
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inside.children or [] if child.type in ("text", "code_inline"))
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            token.attrSet("id", f"{anchor}-{used[anchor]}" if used[anchor] else anchor)
            used[anchor] += 1
        elif token.type == "td_open" and len(inside.content) > _SHORT:
            token.attrSet("class", "long")


def _embed(tokens: Sequence[Token], folder: Path) -> None:
    """Embeds a folder's images in the page, in a format that takes two thirds of the space."""
    for token in tokens:
        for child in token.children or []:
            if child.type == "image":
                packed = io.BytesIO()
                Image.open(folder / str(child.attrs["src"])).save(packed, "webp", lossless=True, quality=100, method=4)
                data = base64.b64encode(packed.getvalue()).decode()
                child.attrs["src"] = f"data:image/webp;base64,{data}"
