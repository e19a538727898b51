"""README, docs, model cards, and nothing else, are served, where relative links lead."""

import re
from functools import cache
from html import unescape
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from gradio.routes import App
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.app import build_demo
from demo.common.intro import TITLE
from demo.server import LAUNCH
from demo.server.files import FILES, FOLDERS, ROOT, document_links, document_routes

DOCUMENTS = [
    *(name for name in FILES if name.endswith(".md")),
    *(path.relative_to(ROOT).as_posix() for name in FOLDERS for path in sorted((ROOT / name).rglob("*.md"))),
]
PIXEL = b"\x89PNG\r\n\x1a\n"
HTML, PLAIN = "text/html; charset=utf-8", "text/plain; charset=utf-8"
SERVED = {
    "README.md": HTML,
    "LICENSE": PLAIN,
    "docs/about.md": HTML,
    "docs/report/page.html": HTML,
    "docs/report/plot.png": "image/png",
    "docs/report/table.csv": PLAIN,
    "weights/tiny/README.md": HTML,
}
SECRET = ("docs/.hidden.md", "weights/tiny/model.safetensors", "app.py", "SECRETS.md")


def served(root=ROOT, root_path="", card=None):
    """Serves documents of a project and of a model elsewhere, without the rest of the app."""
    app = Starlette(routes=document_routes(root))
    app.get_blocks = lambda: SimpleNamespace(card_folder=card or root / "none")
    return TestClient(app, root_path=root_path)


@pytest.fixture
def project(tmp_path):
    """A small project with one card and files that must not be served."""
    root = tmp_path / "project"
    for path in (*SERVED, *SECRET):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(PIXEL if path.endswith(".png") else f"# {path}\n".encode())
    (tmp_path / "outside.md").write_text("# outside")
    (root / "docs" / "out.md").symlink_to(tmp_path / "outside.md")
    (root / "docs" / "hidden.md").symlink_to(root / "docs" / ".hidden.md")
    return root


@cache
def reply(address):
    """What the project answers at an address that many documents link."""
    return served().get(address)


class TestDocuments:
    @pytest.mark.parametrize("address", DOCUMENTS)
    def test_the_first_link_leads_back_to_the_app_and_relative_ones_to_a_document_and_its_anchor(self, address):
        page = reply(f"/{address}").text
        back = re.search(r'<body>\s*<p><a href="([./]+)">Back to the app</a>', page)
        assert urljoin(f"http://x/prefix/{address}", back[1]) == "http://x/prefix/"
        for target, anchor in re.findall(r'(?:href|src)="(?!https?:|data:)([^"#]*)#?([^"]*)"', page):
            if (to := urljoin(f"/{address}", unescape(target))) == "/":
                continue  # the app
            assert reply(to).status_code == 200, to
            assert not anchor or f' id="{unescape(anchor)}"' in reply(to).text, f"{to}#{anchor}"

    @pytest.mark.parametrize("root_path", ["", "/ner", "https://ner.example.org"])
    def test_each_has_its_media_type_also_under_a_root_path(self, project, root_path):
        client = served(project, root_path)
        for address, kind in SERVED.items():
            found = client.get(f"/{address}")
            assert found.headers["content-type"] == kind, address
            if not address.endswith(".md"):
                assert found.content == (project / address).read_bytes()

    @pytest.mark.parametrize(
        "address",
        [
            *SECRET,
            "docs/",
            "docs/none.md",
            "docs/hidden.md",
            "docs/out.md",
            "docs/%2e%2e/SECRETS.md",
            "docs/%00.md",
            "CHANGELOG.md",  # known but missing
            "model-card/README.md",
        ],
    )
    def test_a_forbidden_or_unknown_address_is_not_found(self, project, address):
        assert served(project).get(f"/{address}").status_code == 404

    def test_the_page_links_what_exists_and_the_card_of_weights_where_it_is(self, engine, project):
        assert document_links(engine, project) == {"README": "README.md"}  # its folder has no card
        assert document_links(engine, project / "docs") == {}
        folder = project / "weights" / "50% less #1"
        folder.mkdir()
        (folder / "README.md").write_text("# Card")
        address = document_links(SimpleNamespace(source=str(folder)), project)["Model card"]
        assert address == "weights/50%25%20less%20%231/README.md"
        assert "<h1" in served(project).get(f"/{address}").text


class TestCards:
    """The card of a model outside the project, which others may have written."""

    @pytest.fixture
    def card(self, tmp_path):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "notes.txt").write_text("private")
        (folder / "table.csv").write_text("a,b\n")
        (folder / "page.html").write_text("<script>alert(1)</script>")
        (tmp_path / "secret.png").write_bytes(b"secret")
        (folder / "README.md").write_text(
            "---\nlicense: mit\n---\n# Card <script>alert(1)</script>\n\n<script>alert(2)</script>\n\n"
            "[x](javascript:alert(3)) ![](../secret.png) ![](https://example.org/badge.svg) ![](none.png)\n\n"
            "[table](table.csv)\n"
        )
        return folder

    def test_the_card_and_what_it_links_come_from_its_folder_and_run_nothing(self, card):
        client = served(card=card)
        page = client.get("/model-card/README.md").text
        assert "<title>Card" in page
        assert "<script" not in page
        assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page
        assert 'href="javascript' not in page
        assert client.get("/model-card/table.csv").text == "a,b\n"
        for address in ("notes.txt", "none.png", "%2e%2e/secret.png", ""):
            assert client.get(f"/model-card/{address}").status_code == 404
        for address in ("README.md", "page.html", "table.csv"):
            headers = client.get(f"/model-card/{address}").headers
            assert headers["content-security-policy"].startswith("default-src 'none'; img-src 'self' data:;")
            assert headers["x-content-type-options"] == "nosniff"

    def test_the_app_serves_the_documents_of_project_and_model(self, engine, tmp_path, monkeypatch):
        (tmp_path / "README.md").write_text("# Card of mine")
        monkeypatch.setattr(engine, "source", str(tmp_path))
        assert document_links(engine)["Model card"] == "model-card/README.md"
        with TestClient(App.create_app(build_demo(engine), app_kwargs=LAUNCH["app_kwargs"])) as client:
            assert "Card of mine" in client.get("/model-card/README.md").text
            assert "Back to the app" in client.get("/README.md").text
            assert client.get("/docs/first.png").status_code == 200
            assert client.get("/config").json()["title"] == TITLE
