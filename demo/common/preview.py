"""What other sites show for a link to the app: Gradio's page names Gradio, this names the app."""

from __future__ import annotations

import re

from gradio.route_utils import get_root_url
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.common.intro import TITLE

DESCRIPTION = "A named-entity recogniser that stops computing words as soon as it is sure of them."
PICTURE = "docs/first.png"
_TAGS = re.compile(r'<meta\s+(?:property="og:|name="twitter:)(\w+)"\s+content="[^"]*"\s*/>')


def own_tags(page: str, address: str) -> str:
    """The page with tags that match `_TAGS` replaced by ours.

    Args:
        page: HTML.
        address: the app's address, with a slash at the end.
    """
    tags = {"title": TITLE, "description": DESCRIPTION, "image": address + PICTURE, "url": address, "type": "website"}
    ours = "".join(f'<meta property="og:{name}" content="{value}" />' for name, value in tags.items())
    ours += '<meta name="twitter:card" content="summary_large_image" />'
    return _TAGS.sub("", page).replace("<head>", f"<head>{ours}", 1)


class Preview:
    """ASGI middleware that puts `own_tags` into Gradio's pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes anything that is not a page on unchanged."""
        if scope["type"] != "http" or scope["path"].count("/") > 1:
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def rewrite(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = own_tags(body.decode(), _address(scope)).encode()
            headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
            await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page if scope["method"] != "HEAD" else b""})

        await self.app(scope, receive, rewrite)


def _is_page(start: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"])


def _address(scope: Scope) -> str:
    address = get_root_url(Request(scope), scope["path"], scope["app"].get_blocks().root_path)
    return re.sub(r"[^\w.:/~\[\]-]", "", f"{address}/")
