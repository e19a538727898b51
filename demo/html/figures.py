"""Pictures with captions, embedded in the page so no file has to be served."""

from __future__ import annotations

import base64
import io

from matplotlib.figure import Figure

from demo.html.escape import escape


def picture(data: bytes, kind: str, title: str, caption: str, *, wide: bool = False) -> str:
    """An image of MIME type ``image/kind`` with its caption; a wide one keeps its size and scrolls."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img src="{source}" alt="{escape(title)}">'
    if wide:
        image = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{image}</div>'
    return (
        f'<figure class="plot">{image}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def drawing(figure: Figure, title: str, caption: str) -> str:
    """A plot with its caption; see `picture`."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", facecolor="white")
    return picture(out.getvalue(), "svg+xml", title, caption)
