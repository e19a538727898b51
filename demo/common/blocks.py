"""The demo's `gr.Blocks`: it reports and logs nothing that users send, and refuses malformed requests with a reason."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.common.limits import DELETE_CACHE

# For handlers that answer at once and are not part of the HTTP API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
MISFIT = "expected values that fit this function, got others; if one of them is a file, upload it again"


class Page(gr.Blocks):
    """Gradio's Blocks without analytics; deletes uploads and downloads after a while."""

    def __init__(self, title: str) -> None:
        super().__init__(title=title, analytics_enabled=False, delete_cache=DELETE_CACHE)

    def get_api_info(self, *args: Any, **settings: Any) -> Any:
        """Like Gradio's, but labels say what a parameter is called, not its place."""
        info = super().get_api_info(*args, **settings)
        for endpoint in info["named_endpoints"].values():
            for parameter in endpoint["parameters"]:
                parameter["label"] = parameter["parameter_name"]
        return info

    async def preprocess_data(self, *args: Any, **settings: Any) -> Any:
        """Like Gradio's, but answers a malformed request briefly and does not log its text."""
        try:
            return await super().preprocess_data(*args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # noqa: BLE001 - the values of a request can cause anything
            raise gr.Error(MISFIT, print_exception=False) from None

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, *args: Any, **settings: Any
    ) -> Any:
        """Like Gradio's, but no session keeps the text of an HTTP API call or its answer.

        For a call without a session, Gradio makes one named after the call. This drops it after the call: Gradio keeps
        a limited number of sessions and forgets the least recent, which belong to visitors who are reading.
        """
        if block_fn.api_visibility != "public":
            return await super().process_api(block_fn, inputs, state, *args, **settings)
        try:
            return await super().process_api(block_fn, inputs, None, *args, **settings)
        finally:
            session = settings.get("session_hash")
            if session is not None and session == settings.get("event_id"):
                self.state_holder.session_data.pop(session, None)
                self.state_holder.time_last_used.pop(session, None)


STREAM = b"text/event-stream"
CALL, UPLOAD = "/gradio_api/call/", "/gradio_api/upload"


async def refuse(request: Request, error: Exception) -> Response:
    """Answers a malformed call or upload; re-raises any other error.

    Raises:
        Exception: ``error``, if the request is neither.
    """
    path = request.url.path.rstrip("/")
    if path.endswith(UPLOAD):
        return JSONResponse({"detail": "expected files with names in a form, got something else"}, 400)
    if CALL not in path:
        raise error
    endpoints = request.app.get_blocks().get_api_info()["named_endpoints"]
    name = "/" + path.partition(CALL)[2].removeprefix("v2/")
    if name not in endpoints:
        return JSONResponse({"detail": f"expected one of {', '.join(endpoints)}, got another name"}, 404)
    expected = ", ".join(map(_described, endpoints[name]["parameters"]))
    problem = str(error).partition(". ")[0]
    return JSONResponse({"detail": f"expected the arguments {expected}: {problem}"}, 422)


def _described(parameter: dict[str, Any]) -> str:
    name: str = parameter["parameter_name"]
    return name if parameter["parameter_has_default"] else f"{name} (required)"


# Handlers for the FastAPI app. A missing or unknown argument is a TypeError, an unknown name one of the others.
HANDLERS: dict[Any, Any] = dict.fromkeys((TypeError, KeyError, FnIndexInferError), refuse)


class EndedStreams:
    """ASGI middleware that ends a stream of answers quietly where Gradio raises an error in it.

    The stream itself has told the client by then, e.g. that its event is gone: nothing else could be answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        streaming = False

        async def watch(message: Message) -> None:
            nonlocal streaming
            if message["type"] == "http.response.start":
                streaming = dict(message["headers"]).get(b"content-type", b"").startswith(STREAM)
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            if not streaming:
                raise
            await send({"type": "http.response.body", "body": b""})
