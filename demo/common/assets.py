"""Gradio's scripts and style sheets, compressed once and cached by browsers.

Gradio compresses them again for each visitor and sets no ``Cache-Control``, so browsers ask for them on every visit.
Their names contain a hash of their content, so the content under a name never changes.
"""

from __future__ import annotations

import gzip
from functools import cache
from mimetypes import guess_type
from pathlib import Path

from gradio.routes import BUILD_PATH_LIB
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(BUILD_PATH_LIB)
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


def asset_route() -> Route:
    """The route that replaces Gradio's."""
    return Route("/assets/{name}", _answer)


async def _answer(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _names():
        raise HTTPException(404)
    if Path(name).suffix in (".js", ".css") and "gzip" in request.headers.get("Accept-Encoding", ""):
        kind = guess_type(name)[0]
        return Response(_compressed(name), headers=HEADERS | {"Content-Encoding": "gzip"}, media_type=kind)
    return FileResponse(FOLDER / name, headers=HEADERS)


@cache
def _names() -> frozenset[str]:
    return frozenset(file.name for file in FOLDER.iterdir() if file.is_file())


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress((FOLDER / name).read_bytes())
