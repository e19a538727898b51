"""Shows the app's own title and picture where a link to it is shared; Gradio's pages name Gradio's."""

from __future__ import annotations

import re

from gradio.route_utils import get_root_url
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.common.intro import TITLE

DESCRIPTION = "A named-entity recogniser that stops computing words as soon as it is sure of them."
PICTURE = "docs/first.png"
_TAGS = re.compile(r'<meta\s+(?:property="og:|name="twitter:)(\w+)"\s+content="[^"]*"\s*/>')


def with_own_tags(page: str, address: str) -> str:
    """Replaces the tags in a page by which other sites show a link to it; ``address``, the app's, ends in a slash."""
    tags = {"title": TITLE, "description": DESCRIPTION, "image": address + PICTURE, "url": address, "type": "website"}
    own = "".join(f'<meta property="og:{name}" content="{value}" />' for name, value in tags.items())
    own += '<meta name="twitter:card" content="summary_large_image" />'
    return _TAGS.sub("", page).replace("<head>", f"<head>{own}", 1)


def link_preview(app: ASGIApp) -> ASGIApp:
    """Middleware that applies `with_own_tags` to the app's pages."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].count("/") > 1:
            await app(scope, receive, send)
            return
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, hold)
        start, *parts = messages
        headers = MutableHeaders(raw=start["headers"])
        if headers.get("content-type", "").startswith("text/html"):
            page = b"".join(part.get("body", b"") for part in parts).decode()
            body = with_own_tags(page, _app_address(scope)).encode()
            headers["content-length"] = str(len(body))
            parts = [{"type": "http.response.body", "body": body}]
        for message in (start, *parts):
            await send(message)

    return pass_on


def _app_address(scope: Scope) -> str:
    address = get_root_url(Request(scope), scope["path"], scope["app"].get_blocks().root_path)
    return re.sub(r"[^\w.:/~\[\]-]", "", f"{address}/")  # the host comes from the request
