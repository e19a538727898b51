"""``report.html``: the Markdown report as one page that needs nothing else, its plots embedded."""

from __future__ import annotations

import base64
from html import escape, unescape
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: light-dark(#1b1b1b, #e8e8e8); background: light-dark(#fff, #17191c); }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; }
th { background: light-dark(#f2f2f2, #26292e); }
blockquote { border-left: 4px solid #b35900; margin-left: 0; padding-left: 1rem; }
img { max-width: 100%; background: #fff; }
code { font-size: .93em; overflow-wrap: anywhere; }
"""


def page(markdown: str, folder: Path) -> str:
    """The page of a report; images are those of the folder, raw HTML in the text stays text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        for child in token.children or []:
            if child.type == "image":
                data = base64.b64encode((folder / str(child.attrs["src"])).read_bytes()).decode()
                child.attrs["src"] = f"data:image/png;base64,{data}"
    title = unescape(markdown.partition("\n")[0].lstrip("# "))
    body = parser.renderer.render(tokens, parser.options, {})
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}</body></html>\n'
