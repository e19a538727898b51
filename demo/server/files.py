"""The project's documents (README, docs, model cards), served at the addresses that their relative links use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from engine import Engine
from eval.render.pages import as_html

ROOT = Path(__file__).resolve().parents[2]
README, CARD = "README.md", "model-card"
FILES = (README, "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "pyproject.toml")
FOLDERS = ("docs", "weights")
_HTML, _PLAIN = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_MEDIA_TYPES = {  # by suffix, or by name if there is none
    **dict.fromkeys(("LICENSE", ".cff", ".csv", ".json", ".sh", ".toml"), _PLAIN),
    **{".md": _HTML, ".html": _HTML, ".png": "image/png", ".gif": "image/gif"},
}
# Nothing in a card or a report may run or contact another host.
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


class Documents(StaticFiles):
    """Serves a folder's files of known media types, Markdown as HTML; no hidden files, no links that lead out.

    The ``folder`` need not exist. ``app``: the app's address relative to it.
    """

    def __init__(self, folder: Path, app: str = "../") -> None:
        super().__init__(directory=folder, check_dir=False)
        self.folder, self.app = folder.resolve(), app

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Finds a file as Starlette does, but nothing hidden or of an unknown media type."""
        found, status = super().lookup_path(path)
        names = (*Path(path).parts, *Path(found or self.folder).relative_to(self.folder).parts)
        hidden = any(name.startswith(".") for name in names)
        return ("", None) if hidden or _media_type(found) is None else (found, status)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Returns the document at a path in the folder; raises an `HTTPException` if there is none."""
        response = await super().get_response(path, scope)
        if isinstance(response, FileResponse):
            file = Path(response.path)
            if file.suffix == ".md":
                response = HTMLResponse(await run_sync(_render, file, self.app + "../" * path.count("/")))
            response.headers["content-type"] = _media_type(file) or _PLAIN
        response.headers.update(_HEADERS)
        return response


def _media_type(file: str | Path) -> str | None:
    return _MEDIA_TYPES.get(Path(file).suffix or Path(file).name)


def _render(file: Path, app: str) -> str:
    text = _FRONT_MATTER.sub("", file.read_text(encoding="utf-8", errors="replace"))
    return as_html(f"[Back to the app]({app})\n\n{text}")


def document_routes(root: Path = ROOT) -> list[Route]:
    """Routes to the project's documents and to the card of a model outside it, in the page's ``card_folder``.

    These are routes, not mounts: Starlette finds nothing in a mount if the app has a root path.
    """

    async def send_card(request: Request) -> Response:
        folder = request.app.get_blocks().card_folder
        return await Documents(folder).get_response(request.path_params["path"], request.scope)

    return [
        *(_route(f"/{name}", Documents(root, "./"), name) for name in FILES),
        *(_route(f"/{name}/{{path:path}}", Documents(root / name)) for name in FOLDERS),
        Route(f"/{CARD}/{{path:path}}", send_card),
    ]


def _route(address: str, documents: Documents, name: str = "") -> Route:
    async def send_document(request: Request) -> Response:
        return await documents.get_response(name or request.path_params["path"], request.scope)

    return Route(address, send_document)


def document_links(engine: Engine, root: Path = ROOT) -> dict[str, str]:
    """Maps the title of each document that the page links to, if it exists, to its address."""
    folder = Path(engine.source).resolve()
    shelf = folder.relative_to(root).as_posix() if folder.is_relative_to(root / "weights") else CARD
    places = {"README": (root, README), "Model card": (folder, f"{shelf}/{README}")}
    return {title: quote(address) for title, (of, address) in places.items() if Documents(of).lookup_path(README)[1]}
