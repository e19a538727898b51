"""The demo's `gr.Blocks`, which neither reports nor logs what visitors send, and answers to malformed requests."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.common.limits import DELETE_CACHE
from engine.errors import quoted

logger = logging.getLogger(__name__)

CALL, UPLOAD = "/gradio_api/call/", "/gradio_api/upload"
MISFIT = "expected values that fit this function, got others; if one of them is a file, upload it again"


class Page(gr.Blocks):
    """Gradio's Blocks without analytics; deletes uploads and downloads after a while.

    ``card_folders``: folders of model cards to serve, see `demo.server.files`.
    """

    def __init__(self, title: str, card_folders: Mapping[str, Path]) -> None:
        super().__init__(title=title, analytics_enabled=False, delete_cache=DELETE_CACHE)
        self.card_folders = card_folders

    def get_api_info(self, *args: Any, **settings: Any) -> Any:
        """Like Gradio's, but labels each parameter with its name instead of its position."""
        info = super().get_api_info(*args, **settings)
        for endpoint in info["named_endpoints"].values():
            for parameter in endpoint["parameters"]:
                parameter["label"] = parameter["parameter_name"]
        return info

    def queue(self, *args: Any, **settings: Any) -> Page:
        """Like Gradio's, but keeps no statistics of its events, which one with an odd session's name would break."""
        super().queue(*args, **settings)
        self._queue.compute_analytics_summary = lambda records: {}  # type: ignore[method-assign]
        return self

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, *args: Any, **settings: Any
    ) -> Any:
        """Like Gradio's, but answers briefly if values cannot be used, and keeps and logs none of them.

        Nor does it keep the answer to an HTTP API call. For one without a session, Gradio opens one that is named after
        the call. Gradio keeps a limited number of sessions and forgets the least recent, so each such session would
        push out that of a visitor who is reading.
        """
        public = block_fn.api_visibility == "public"
        try:
            return await super().process_api(block_fn, inputs, None if public else state, *args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:  # noqa: BLE001 - the values of a request can cause any error
            log_briefly(str(block_fn.api_name), error)
            raise gr.Error(MISFIT, print_exception=False) from None
        finally:
            session = settings.get("session_hash")
            if public and session is not None and session == settings.get("event_id"):
                self.state_holder.session_data.pop(session, None)
                self.state_holder.time_last_used.pop(session, None)


def log_briefly(what: str, error: Exception) -> None:
    """Logs type and place of an error that a request caused, but not its message, which may quote the request."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("%s: %s in %s, line %s", quoted(what), type(error).__name__, last.filename, last.lineno)


async def refuse(request: Request, error: Exception) -> Response:
    """Answers a malformed call or upload with the reason; raises any other error again."""
    path = request.url.path.rstrip("/")
    if path.endswith(UPLOAD):
        return JSONResponse({"detail": "expected files with names in a form, got something else"}, 400)
    if CALL not in path:
        raise error
    endpoints = request.app.get_blocks().get_api_info()["named_endpoints"]
    name = "/" + path.partition(CALL)[2].removeprefix("v2/")
    if name not in endpoints:
        return JSONResponse({"detail": f"expected one of {', '.join(endpoints)}, got another name"}, 404)
    expected = ", ".join(
        parameter["parameter_name"] + ("" if parameter["parameter_has_default"] else " (required)")
        for parameter in endpoints[name]["parameters"]
    )
    problem = str(error).partition(". ")[0]
    return JSONResponse({"detail": f"expected the arguments {expected}: {problem}"}, 422)


# Handlers for the FastAPI app. A missing or unknown argument is a TypeError, an unknown name one of the others.
HANDLERS: dict[Any, Any] = dict.fromkeys((TypeError, KeyError, FnIndexInferError), refuse)
