"""Gradio's scripts and style sheets reach every browser unchanged and can be cached."""

from __future__ import annotations

import gzip
import re
from types import SimpleNamespace

import httpx
import pytest

from demo.server import files as assets

SCRIPT = next(name for name in sorted(assets.asset_names()) if name.endswith(".js"))
FONT = next(name for name in sorted(assets.asset_names()) if name.endswith(".woff2"))


@pytest.mark.parametrize("name", [SCRIPT, FONT])
@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_an_asset_is_what_gradio_has(url: str, name: str, encoding: str) -> None:
    answer = httpx.get(f"{url}assets/{name}", headers={"Accept-Encoding": encoding})
    assert answer.content == (assets.ASSETS / name).read_bytes()
    assert "immutable" in answer.headers["Cache-Control"]


def test_it_is_compressed_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[bytes] = []

    def compress(content: bytes) -> bytes:
        compressed.append(content)
        return gzip.compress(content)

    monkeypatch.setattr(assets, "gzip", SimpleNamespace(compress=compress))
    assets._compressed.cache_clear()
    for _ in range(3):
        httpx.get(f"{url}assets/{SCRIPT}").raise_for_status()
    assert compressed == [(assets.ASSETS / SCRIPT).read_bytes()]


@pytest.mark.parametrize("name", ["none.js", "%2e%2e", "..%2Findex.html", "%2Fetc%2Fpasswd"])
def test_nothing_else_is_served(url: str, name: str) -> None:
    assert httpx.get(f"{url}assets/{name}").status_code in (403, 404)


def test_all_that_browsers_keep_for_good_is_named_by_its_content() -> None:
    assert all(re.search(r"-[\w-]{8,}\.\w+$", name) for name in assets.asset_names())
