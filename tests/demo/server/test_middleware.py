"""Links to the app show its own title and picture; nothing that a client sends is answered by a traceback."""

import asyncio
import gc
import json
import logging
import re
import threading
from types import SimpleNamespace

import httpx
import pytest

from demo.common.intro import TITLE
from demo.server.middleware import PICTURE, short_errors
from engine import Engine


def test_the_served_page_names_the_app_and_not_gradio(url):
    reply = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert re.findall(r'og:title" content="([^"]*)"', reply.text) == [TITLE]
    assert re.findall(r'og:image" content="([^"]*)"', reply.text) == [url + PICTURE]
    assert "raw.githubusercontent.com" not in reply.text
    assert '<meta charset="utf-8"' in reply.text, "other tags stay"
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert httpx.get(url + PICTURE).headers["content-type"] == "image/png"
    assert httpx.head(url).status_code == 200


def test_of_several_proxies_the_first_counts_and_a_host_is_no_markup(url):
    proxies = {"X-Forwarded-Host": "example.org, inner", "X-Forwarded-Proto": "https,http"}
    assert 'og:url" content="https://example.org/"' in httpx.get(url, headers=proxies).text
    page = httpx.get(url, headers={"X-Forwarded-Host": '"><script>'}).text
    assert "<script" not in page.partition("</head>")[0][:400]


@pytest.fixture
def log(caplog):
    """The log, with that of uvicorn, whose loggers pass nothing on."""
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("host", ["a:b", "a\tb", "[::1"])
@pytest.mark.parametrize("path", ["", "README.md", "config"])
def test_a_forwarded_host_that_is_none_is_said_in_one_sentence(url, log, host, path):
    reply = httpx.get(url + path, headers={"X-Forwarded-Host": host})
    assert reply.status_code == 400
    assert "expected a host in X-Forwarded-Host" in reply.json()["detail"]
    assert log.text == ""


def test_an_answer_that_breaks_off_is_logged_in_one_line(caplog):
    async def broken(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("quotes the request")

    async def forget(_message):
        pass

    queue = SimpleNamespace(pending_messages_per_session={}, pending_event_ids_session={}, active_jobs=[])
    served = SimpleNamespace(get_blocks=lambda: SimpleNamespace(_queue=queue))
    asyncio.run(short_errors(broken)({"type": "http", "path": "/page", "app": served}, None, forget))
    (record,) = caplog.records
    assert re.fullmatch(r"'/page': RuntimeError in .*, line \d+", record.getMessage())
    assert record.exc_info is None


@pytest.mark.parametrize("path", ["call/tag/gone", "call/v2/tag/gone", "queue/data?session_hash=gone"])
def test_a_stream_whose_event_is_gone_ends_without_a_traceback(url, log, path):
    reply = httpx.get(f"{url}gradio_api/{path}", timeout=20)
    assert reply.status_code == 200
    assert "404" in reply.text or "error" in reply.text
    assert log.text == ""


def test_a_client_that_asks_twice_for_an_event_gets_it_once_and_never_waits(url, log, monkeypatch):
    go_on, tag = threading.Event(), Engine.tag
    monkeypatch.setattr(Engine, "tag", lambda *args, **settings: go_on.wait(20) and tag(*args, **settings))
    place = f"{url}gradio_api/call/v2/tag"
    place += "/" + httpx.post(place, json={"text": "Nausea."}).json()["event_id"]
    with httpx.stream("GET", place) as one, httpx.stream("GET", place) as other:
        go_on.set()
        answers = [b"".join(stream.iter_bytes()).decode() for stream in (one, other)]
    answers.append(httpx.get(place).text)
    assert sorted(answer.split("\n")[0] for answer in answers) == ["event: complete", "event: error", "event: error"]
    assert log.text == ""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "?page=../x", ""),
        ("POST", "gradio_api/reset", '{"event_id": NaN}'),
        ("POST", "gradio_api/queue/join", '{"data": [], "fn_index": -1, "session_hash": "x"}'),
    ],
)
def test_a_request_that_fits_no_address_gets_one_sentence_and_leaves_one_line_in_the_log(url, log, method, path, body):
    reply = httpx.request(method, url + path, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert "expected a request that fits" in reply.json()["detail"]
    (line,) = log.text.splitlines()
    assert len(line) < 400


def test_a_path_longer_than_a_file_system_allows_is_refused_without_a_traceback(url, log):
    reply = httpx.get(f"{url}static/{'a' * 3000}")
    assert reply.status_code in (400, 404)  # from Python 3.14 on it is one that does not exist
    assert "Traceback" not in log.text


def test_a_session_may_have_any_name(url, log):
    place = f"{url}gradio_api/call/tag"
    for _ in range(2):  # the first has ended in every respect when the second is answered
        call = json.dumps({"data": ["Nausea."], "session_hash": "\ud800"})
        event = httpx.post(place, content=call, headers={"Content-Type": "application/json"}).json()["event_id"]
        assert httpx.get(f"{place}/{event}").text.startswith("event: ")
    gc.collect()  # an error that a task raised is logged when the task is deleted
    assert "Traceback" not in log.text
