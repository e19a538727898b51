"""Serves the project's documents (README, docs, model cards) at the addresses that their relative links use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from demo.common.links import path_of
from engine import Engine
from eval.render.html import page

ROOT = Path(__file__).resolve().parents[2]
README, CARDS = "README.md", "model-card"
FILES = (README, "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "pyproject.toml")
FOLDERS = ("docs", "weights")
_HTML = "text/html; charset=utf-8"
_KINDS = {
    **dict.fromkeys(("LICENSE", ".cff", ".csv", ".json", ".sh", ".toml"), "text/plain; charset=utf-8"),
    **{".md": _HTML, ".html": _HTML, ".png": "image/png", ".gif": "image/gif"},
}
# Nothing in a card or a report may run or contact another host.
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


class Documents(StaticFiles):
    """Serves a folder's files of `_KINDS`, Markdown as a page; no hidden files, no links that lead out.

    Args:
        folder: the folder, which need not exist.
        app: the app's address relative to the folder.
    """

    def __init__(self, folder: Path, app: str = "../") -> None:
        super().__init__(directory=folder, check_dir=False)
        self.folder, self.app = folder.resolve(), app

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Like Starlette's, but finds only documents."""
        found, status = super().lookup_path(path)
        names = (*Path(path).parts, *Path(found or self.folder).relative_to(self.folder).parts)
        hidden = any(name.startswith(".") for name in names)
        return ("", None) if hidden or _kind(found) not in _KINDS else (found, status)

    def has(self, path: str) -> bool:
        """Whether the document exists."""
        return self.lookup_path(path)[1] is not None

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The document at a path in the folder.

        Raises:
            HTTPException: there is none.
        """
        response = await super().get_response(path, scope)
        if isinstance(response, FileResponse):
            file = Path(response.path)
            if file.suffix == ".md":
                response = HTMLResponse(await run_sync(_render, file, self.app + "../" * path.count("/")))
            response.headers["content-type"] = _KINDS[_kind(file)]
        response.headers.update(_HEADERS)
        return response


def _kind(file: str | Path) -> str:
    return Path(file).suffix or Path(file).name


def _render(file: Path, app: str) -> str:
    text = _FRONT_MATTER.sub("", file.read_text(encoding="utf-8", errors="replace"))
    return page(f"[Back to the app]({app})\n\n{text}")


def document_routes(root: Path = ROOT) -> list[Route]:
    """Routes for the project's documents and for cards of models outside it (the app's `card_folders`).

    These are routes, not mounts: Starlette finds nothing in a mount if the app has a root path.
    """

    async def of_model(request: Request) -> Response:
        folder = request.app.get_blocks().card_folders.get(request.path_params.get("model", ""))
        if folder is None:
            raise HTTPException(404)
        return await Documents(folder).get_response(request.path_params["path"], request.scope)

    return [
        *(_route(f"/{name}", Documents(root, "./"), name) for name in FILES),
        *(_route(f"/{name}/{{path:path}}", Documents(root / name)) for name in FOLDERS),
        Route(f"/{CARDS}/{{path:path}}", of_model),
        Route(f"/{CARDS}-{{model}}/{{path:path}}", of_model),
    ]


def _route(address: str, documents: Documents, name: str = "") -> Route:
    async def answer(request: Request) -> Response:
        return await documents.get_response(name or request.path_params["path"], request.scope)

    return Route(address, answer)


def card_folders(models: Mapping[str, Engine]) -> dict[str, Path]:
    """The folder of each model, by the address of its page."""
    return {path_of(name, models): Path(engine.source).resolve() for name, engine in models.items()}


def links_of(name: str, models: Mapping[str, Engine], root: Path = ROOT) -> dict[str, str]:
    """The existing documents that a model's page links to: title → address."""
    path = path_of(name, models)
    folder = card_folders(models)[path]
    within = folder.is_relative_to(root / "weights")
    shelf = folder.relative_to(root).as_posix() if within else "-".join(filter(None, (CARDS, path)))
    found = {"README": (root, README), "Model card": (folder, f"{shelf}/{README}")}
    return {title: quote(address) for title, (of, address) in found.items() if Documents(of).has(README)}
