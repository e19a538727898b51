"""The demo's `gr.Blocks`, which neither reports nor logs what visitors send."""

import logging
import traceback
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.common.intro import TITLE
from demo.common.limits import DELETE_CACHE, MAX_BODY_BYTES
from engine import Engine

logger = logging.getLogger(__name__)

MISFIT = "expected values that fit this function, got others; if one of them is a file, upload it again"


class Page(gr.Blocks):
    """Gradio's Blocks without analytics; deletes uploads and downloads after a while.

    ``card_folder``: the model's folder, whose card is served, see `demo.server.files`.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(title=TITLE, analytics_enabled=False, delete_cache=DELETE_CACHE)
        self.card_folder = Path(engine.source).resolve()

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, *args: Any, **settings: Any
    ) -> Any:
        """Like Gradio's, but logs no values that cannot be used, and keeps none of an HTTP API call.

        For a call without a session, Gradio opens one that is named after the call. It keeps a limited number of
        sessions and forgets the least recent, so each such session would push out that of a visitor who is reading.
        """
        public = block_fn.api_visibility == "public"
        try:
            return await super().process_api(block_fn, inputs, None if public else state, *args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:  # noqa: BLE001 - the values of a request can cause any error, which may quote them
            last = traceback.extract_tb(error.__traceback__)[-1]
            logger.error("%s: %s in %s, line %s", block_fn.name, type(error).__name__, last.filename, last.lineno)
            raise gr.Error(MISFIT, print_exception=False) from None
        finally:
            session = settings.get("session_hash")
            if public and session is not None and session == settings.get("event_id"):
                self.state_holder.session_data.pop(session, None)
                self.state_holder.time_last_used.pop(session, None)


async def refuse_call(request: Request, error: Exception) -> Response:
    """Answers a call of the HTTP API with a wrong name or wrong arguments; raises any other error again."""
    if "/call/" not in request.url.path:
        raise error
    if isinstance(error, TypeError):
        return JSONResponse({"detail": str(error).partition(". ")[0]}, 422)
    return JSONResponse({"detail": "expected /tag, got another name"}, 404)


def guard_calls(app: ASGIApp) -> ASGIApp:
    """Middleware that refuses, before the queue, calls that are too large and requests for answers to unknown calls."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        await ((scope["type"] == "http" and _refusal(Request(scope))) or app)(scope, receive, send)

    return pass_on


def _refusal(request: Request) -> Response | None:
    """The answer to a call that is not let in; None if it is."""
    is_call = "/call/" in request.url.path
    if request.method == "POST" and (is_call or request.url.path.endswith("/queue/join")):
        size = request.headers.get("content-length", "")
        if not size.isdecimal():
            return JSONResponse({"detail": "expected a body with a Content-Length, got none; send it"}, 411)
        if int(size) > MAX_BODY_BYTES:
            limit, got = MAX_BODY_BYTES / 2**20, int(size) / 2**20
            return JSONResponse({"detail": f"expected at most {limit:.0f} MB, got {got:.2f} MB; send less text"}, 413)
    elif request.method == "GET" and is_call:
        queue, event = request.app.get_blocks()._queue, request.url.path.rpartition("/")[2]
        waiting = (event in events for events in queue.pending_event_ids_session.values())
        if event not in queue.event_ids_to_events and not any(waiting):
            return JSONResponse({"detail": "expected the event_id of a call, got another or an old one"}, 404)
    return None


# For the FastAPI app: a missing or unknown argument is a TypeError, an unknown name one of the others.
HANDLERS: dict[Any, Any] = dict.fromkeys((TypeError, KeyError, FnIndexInferError), refuse_call)
