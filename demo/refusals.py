"""Answers requests that Gradio does not expect with a 4xx saying what was expected, where Gradio would send a 500."""

from __future__ import annotations

from typing import Any

from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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
