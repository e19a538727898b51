"""Links to the app show the app's own title and picture; otherwise the page is as Gradio made it."""

from __future__ import annotations

import re

import httpx

from demo.common.intro import TITLE
from demo.server.middleware import PICTURE, with_own_tags


def test_the_served_page_names_the_app_and_not_gradio(url: str) -> None:
    reply = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert re.findall(r'og:title" content="([^"]*)"', reply.text) == [TITLE]
    assert re.findall(r'og:image" content="([^"]*)"', reply.text) == [url + PICTURE]
    assert "raw.githubusercontent.com" not in reply.text
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert httpx.get(url + PICTURE).headers["content-type"] == "image/png"


def test_other_tags_stay() -> None:
    page = '<head><meta charset="utf-8" /><meta name="twitter:title" content="Gradio" /></head>'
    assert '<meta charset="utf-8" />' in with_own_tags(page, "http://x/")
    assert "Gradio" not in with_own_tags(page, "http://x/")


def test_a_host_is_no_markup(url: str) -> None:
    assert (
        "<script" not in httpx.get(url, headers={"X-Forwarded-Host": '"><script>'}).text.partition("</head>")[0][:400]
    )


def test_of_several_proxies_the_first_counts(url: str) -> None:
    proxies = {"X-Forwarded-Host": "example.org, inner", "X-Forwarded-Proto": "https,http"}
    assert 'og:url" content="https://example.org/"' in httpx.get(url, headers=proxies).text
