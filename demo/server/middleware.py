"""ASGI middleware: what a client sends causes no traceback; links show the app's own title and picture."""

from __future__ import annotations

import re
from typing import Any

import httpx
from gradio.route_utils import get_root_url
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.common.intro import TITLE
from demo.server.page import log_briefly

DESCRIPTION = "A named-entity recogniser that stops computing words as soon as it is sure of them."
PICTURE = "docs/first.png"
_TAGS = re.compile(r'<meta\s+(?:property="og:|name="twitter:)(\w+)"\s+content="[^"]*"\s*/>')


def readable_hosts(app: ASGIApp) -> ASGIApp:
    """Refuses requests from whose headers Gradio cannot tell the app's address."""

    async def answer_or_refuse(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app
        if scope["type"] == "http":
            try:
                get_root_url(Request(scope), "", None)
            except httpx.InvalidURL:
                problem = "expected a host in X-Forwarded-Host, got something else; correct it or leave it out"
                answer = JSONResponse({"detail": problem}, 400)
        await answer(scope, receive, send)

    return answer_or_refuse


def short_errors(app: ASGIApp) -> ASGIApp:
    """Ends a request in which an error is raised: a stream of events quietly, others with a line in the log.

    An event stream has told its client by then what is wrong, e.g. that its event is gone. Sessions whose events are
    all delivered are forgotten: in Gradio, a client that asks once more waits for ever.
    """

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started = streaming = False

        async def watch(message: Message) -> None:
            nonlocal started, streaming
            if message["type"] == "http.response.start":
                started = True
                streaming = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
            await send(message)

        queue = scope["app"].get_blocks()._queue
        _forget_delivered(queue)
        try:
            await app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001  # whatever a request causes
            if streaming:
                await send({"type": "http.response.body", "body": b""})
            else:
                log_briefly(scope["path"], error)
            if not started:
                problem = "expected a request that fits its address, got another; correct it"
                await JSONResponse({"detail": problem}, 400)(scope, receive, send)
        if streaming:
            _forget_delivered(queue)

    return pass_on


def _forget_delivered(queue: Any) -> None:
    """Forgets sessions whose events are all delivered, and wakes a stream that waits for more."""
    messages, pending = queue.pending_messages_per_session, queue.pending_event_ids_session
    running = {event.session_hash for events in queue.active_jobs for event in events or ()}
    for session in [one for one in messages if one not in running and not pending.get(one)]:
        messages.pop(session).put_nowait(None)


def with_own_tags(page: str, address: str) -> str:
    """Replaces the tags in a page by which other sites show a link to it; ``address``, the app's, ends in a slash."""
    tags = {"title": TITLE, "description": DESCRIPTION, "image": address + PICTURE, "url": address, "type": "website"}
    own = "".join(f'<meta property="og:{name}" content="{value}" />' for name, value in tags.items())
    own += '<meta name="twitter:card" content="summary_large_image" />'
    return _TAGS.sub("", page).replace("<head>", f"<head>{own}", 1)


def link_preview(app: ASGIApp) -> ASGIApp:
    """Applies `with_own_tags` to the app's pages."""

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
