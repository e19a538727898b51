"""README, guides, reports and the model's card, and nothing else, are served, and their links lead to each other."""

import re
from functools import cache
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from gradio.routes import App
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.app import build_demo
from demo.common.intro import TITLE
from demo.server import LAUNCH
from demo.server.files import CARD, PAGES, PICTURES, ROOT, document_links, document_routes

HTML = "text/html; charset=utf-8"
SECRET = ("SECRETS.md", "docs/.hidden.md", "docs/notes.md", "docs/bc5cdr-test/documents.csv", "app.py")


def served(root=ROOT, root_path="", card=None):
    """Serves documents of a project and of a model elsewhere, without the rest of the app."""
    app = Starlette(routes=document_routes(root))
    app.get_blocks = lambda: SimpleNamespace(card_folder=card or root / "none")
    return TestClient(app, root_path=root_path)


@cache
def reply(address):
    """What the project answers at an address that many documents link."""
    return served().get(address)


@pytest.mark.parametrize("address", PAGES)
def test_the_first_link_leads_back_to_the_app_and_others_to_a_page_and_its_anchor(address):
    page = reply(f"/{address}").text
    back = re.search(r'<body>\s*<p><a href="([./]+)">Back to the app</a>', page)
    assert urljoin(f"http://x/prefix/{address}", back[1]) == "http://x/prefix/"
    for target, anchor in re.findall(r'(?:href|src)="(?!https?:|data:)([^"#]*)#?([^"]*)"', page):
        if (to := urljoin(f"/{address}", target)) == "/":
            continue  # the app
        assert reply(to).status_code == 200, to
        assert not anchor or f' id="{anchor}"' in reply(to).text, f"{to}#{anchor}"


def test_readers_find_from_the_readme_to_the_guides_and_the_report():
    assert 'href="docs/training.md"' in reply("/README.md").text
    assert "report.md" in reply("/docs/reports.md").text


@pytest.mark.parametrize("root_path", ["", "/ner", "https://ner.example.org"])
def test_pages_and_pictures_are_served_also_under_a_root_path_and_nothing_else_is(tmp_path, root_path):
    for name in ("README.md", "docs/api.md", "docs/race.svg", *SECRET):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}")
    client = served(tmp_path, root_path)
    assert client.get("/docs/api.md").headers["content-type"] == HTML
    assert client.get("/docs/race.svg").headers["content-type"] == "image/svg+xml"
    for name in (*SECRET, "docs/bulk.md", "docs/", "docs/%2e%2e/SECRETS.md", CARD):
        assert client.get(f"/{name}").status_code == 404, name
    assert document_links(SimpleNamespace(source=str(tmp_path / "docs")), tmp_path) == {"README": "README.md"}


def test_of_a_models_folder_only_the_card_is_served_and_it_runs_nothing(tmp_path):
    for name in ("config.json", "private.csv", "make.sh", "page.html"):
        (tmp_path / name).write_text("secret")
    (tmp_path / "README.md").write_text(
        "---\nlicense: mit\n---\n# Card <script>alert(1)</script>\n\n<script>alert(2)</script>\n\n"
        "[x](javascript:alert(3)) ![](../secret.png) ![](https://example.org/badge.svg) [table](private.csv)\n"
    )
    client = served(card=tmp_path)
    answer = client.get(f"/{CARD}")
    assert "<title>Card" in answer.text
    assert "<script" not in answer.text
    assert 'href="javascript' not in answer.text
    assert "private.csv" not in answer.text, "a link that leads nowhere is text"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; img-src 'self' data:;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in ("config.json", "private.csv", "make.sh", "page.html", ""):
        assert client.get(f"/model-card/{name}").status_code == 404


def test_the_app_serves_the_documents_of_project_and_model(engine, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# Card of mine")
    monkeypatch.setattr(engine, "source", str(tmp_path))
    assert document_links(engine)["Model card"] == CARD
    with TestClient(App.create_app(build_demo(engine), app_kwargs=LAUNCH["app_kwargs"])) as client:
        assert "Card of mine" in client.get(f"/{CARD}").text
        assert client.get(f"/{PICTURES[0]}").status_code == 200
        assert client.get("/config").json()["title"] == TITLE
