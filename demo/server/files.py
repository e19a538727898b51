"""README, guides, reports and the model's card, and nothing else, at the addresses that their relative links use."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from demo.common.reports import ROOT, TITLES
from engine import Engine
from engine.models.shipped import SHIPPED
from eval.render.pages import as_html

README, CARD = "README.md", "model-card/README.md"  # the card is that of any model
SHIPPED_CARDS = {f"weights/{folder.name}/{README}": folder / README for folder in SHIPPED.values()}
GUIDES = (
    "api",
    "architecture",
    "bulk",
    "deploy",
    "earlier-work",
    "findings",
    "formats",
    "install",
    "reports",
    "training",
)
REPORTS = tuple(f"docs/{name}" for name in TITLES)
PAGES = (README, *SHIPPED_CARDS, *(f"docs/{name}.md" for name in GUIDES), *(f"{name}/report.md" for name in REPORTS))
PLOTS = ("f1_vs_latency", "exits", "subgroups")
PICTURES = ("docs/race.svg", *(f"{folder}/{plot}.png" for folder in REPORTS for plot in PLOTS))
# Nothing in a card or a report may run or contact another host.
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LINK = re.compile(r'<a href="(?!https?:)([^"#]*)[^"]*">(.*?)</a>', re.DOTALL)


def document_routes(root: Path = ROOT) -> list[Route]:
    """Routes to the pages and pictures of a project, to shipped cards and to the card in the page's ``card_folder``.

    These are routes, not mounts: Starlette finds nothing in a mount if the app has a root path.
    """

    def route(address: str) -> Route:
        async def send(request: Request) -> Response:
            file = SHIPPED_CARDS.get(address, root / address)
            if address == CARD:
                file = Path(request.app.get_blocks().card_folder, README)
            if not file.is_file():
                return Response("expected a page that exists, got another name", 404, _HEADERS)
            if address in PICTURES:
                return FileResponse(file, headers=_HEADERS)
            return HTMLResponse(await run_sync(_render, file, address), headers=_HEADERS)

        return Route(f"/{address}", send)

    return [route(address) for address in (*PAGES, *PICTURES, CARD)]


def _render(file: Path, address: str) -> str:
    """A page as HTML: first a link back to the app; links to what is not served are plain text."""

    def keep(match: re.Match[str]) -> str:
        target = urljoin(f"/{address}", match[1])[1:]
        return match[0] if target in ("", *PAGES, *PICTURES) else match[2]

    text = _FRONT_MATTER.sub("", file.read_text(encoding="utf-8", errors="replace"))
    app = "../" * (len(PurePosixPath(address).parts) - 1) or "./"
    return _LINK.sub(keep, as_html(f"[Back to the app]({app})\n\n{text}"))


def document_links(engine: Engine, root: Path = ROOT) -> dict[str, str]:
    """Maps the title of each page that the app links to, if it exists, to its address."""
    card = Path(engine.source, README)
    shipped = {file: address for address, file in SHIPPED_CARDS.items()}
    pages = {"README": (root / README, README), "Model card": (card, shipped.get(card, CARD))}
    return {title: address for title, (file, address) in pages.items() if file.is_file()}
