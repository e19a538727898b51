"""Links to the app show its own title and picture; wrong hosts and streams that are gone log no error."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import httpx
import pytest

from demo.common.intro import TITLE
from demo.server.middleware import PICTURE, with_own_tags


def test_the_served_page_names_the_app_and_not_gradio(url: str) -> None:
    reply = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert re.findall(r'og:title" content="([^"]*)"', reply.text) == [TITLE]
    assert re.findall(r'og:image" content="([^"]*)"', reply.text) == [url + PICTURE]
    assert "raw.githubusercontent.com" not in reply.text
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert httpx.get(url + PICTURE).headers["content-type"] == "image/png"
    assert httpx.head(url).status_code == 200


def test_other_tags_stay() -> None:
    page = with_own_tags(
        '<head><meta charset="utf-8" /><meta name="twitter:title" content="Gradio" /></head>', "http://x/"
    )
    assert '<meta charset="utf-8" />' in page
    assert "Gradio" not in page


def test_a_host_is_no_markup(url: str) -> None:
    page = httpx.get(url, headers={"X-Forwarded-Host": '"><script>'}).text
    assert "<script" not in page.partition("</head>")[0][:400]


def test_of_several_proxies_the_first_counts(url: str) -> None:
    proxies = {"X-Forwarded-Host": "example.org, inner", "X-Forwarded-Proto": "https,http"}
    assert 'og:url" content="https://example.org/"' in httpx.get(url, headers=proxies).text


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log, with that of uvicorn, whose loggers pass nothing on."""
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("host", ["a:b", "a\tb", "[::1"])
@pytest.mark.parametrize("path", ["", "README.md", "config"])
def test_a_forwarded_host_that_is_none_is_said_in_one_sentence(
    url: str, log: pytest.LogCaptureFixture, host: str, path: str
) -> None:
    reply = httpx.get(url + path, headers={"X-Forwarded-Host": host})
    assert reply.status_code == 400
    assert "expected a host in X-Forwarded-Host" in reply.json()["detail"]
    assert log.text == ""


@pytest.mark.parametrize("path", ["call/tag/gone", "call/v2/tag/gone", "queue/data?session_hash=gone"])
def test_a_stream_whose_event_is_gone_ends_without_a_traceback(
    url: str, log: pytest.LogCaptureFixture, path: str
) -> None:
    reply = httpx.get(f"{url}gradio_api/{path}", timeout=20)
    assert reply.status_code == 200
    assert "404" in reply.text or "error" in reply.text
    assert log.text == ""
