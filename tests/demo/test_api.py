"""The HTTP API, called as its users call it, and what a visitor must not get."""

import threading
from pathlib import Path

import pytest
from gradio.routes import App
from gradio_client import Client
from gradio_client.exceptions import AppError
from starlette.testclient import TestClient

from demo.app import build_demo
from demo.launch import LAUNCH, MAX_BODY_BYTES, QUEUE
from demo.run import MAX_CHARACTERS, MAX_TRACED
from engine import Engine
from tests.demo.conftest import serving
from tests.demo.serving import ask

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."
PRIVATE = "a private text"
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `id` \\ delirium"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


def answer(http, url, name, event):
    return http.get(f"{url}gradio_api/call/{name}/{event}").text


class TestTag:
    def test_text_is_the_only_argument_needed_and_there_are_settings_and_a_trace(self, client, engine):
        found = client.predict(TEXT, api_name="/tag")
        expected = engine.tag(TEXT, "entropy")
        assert [(e["start"], e["end"], e["type"]) for e in found["entities"]] == [e.key for e in expected.entities]
        assert {tuple(entity) for entity in found["entities"]} == {("start", "end", "type", "text", "score")}
        assert found["strategy"] == expected.strategy.to_json()
        assert found["words"] == len(expected.words)
        assert found["token_layers"] == expected.cost.token_layers
        assert "trace" not in found
        found = client.predict(TEXT, strategy="rule", lambda_=1.5, min_keep_ratio=0.2, trace=True, api_name="/tag")
        expected = engine.tag(TEXT, "rule", lambda_=1.5, min_keep_ratio=0.2)
        assert found["strategy"] == expected.strategy.to_json()
        assert [word["layer"] for word in found["trace"]] == [word.layer for word in expected.trace.words]

    @pytest.mark.parametrize("text", [HOSTILE, "α-tocopherol 山田 🧪 \u202e\0 Ca²⁺ \u200b."])
    def test_any_text_is_a_text(self, client, engine, text):
        found = client.predict(text, trace=True, api_name="/tag")
        words = [(word["start"], word["end"], word["text"]) for word in found["trace"]]
        assert words == [(start, end, text[start:end]) for start, end in engine.tag(text).words]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": " \n"}, "There is no text yet"),
        ({"text": "a" * (MAX_CHARACTERS + 1)}, "100,001 characters; the limit is 100,000"),
        ({"text": "a" * (MAX_TRACED + 1), "trace": True}, "at most 50,000 characters; this one has 50,001"),
        ({"text": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, "must be a string, not dict"),
        ({"strategy": "rule", "point": ["fast"]}, "operating point.*\\['fast'\\]"),
        ({"strategy": "entropy:fast", "point": "careful"}, "operating point .fast., not .careful."),
        ({"point": "quick"}, "no operating points of entropy, so no 'quick'"),
        ({"strategy": "rule", "lambda_": "much"}, "lambda must be a number"),
        ({"lambda_": 1.0}, "entropy has no setting lambda"),
        ({"trace": "false"}, "trace must be true or false, not 'false'"),
        ({"strategy": ["dense"]}, "strategy.*\\['dense'\\]"),
    ],
)
def test_bad_arguments_get_the_reason_and_are_not_logged(client, capfd, arguments, message):
    with pytest.raises(AppError, match=message):
        client.predict(**{"text": TEXT} | arguments, api_name="/tag")
    assert capfd.readouterr().err == ""


class TestServer:
    def test_the_api_page_shows_tag_alone(self, client):
        info = client.view_api(return_format="dict", print_info=False)
        assert list(info["named_endpoints"]) == ["/tag"]
        assert info["unnamed_endpoints"] == {}
        endpoint = info["named_endpoints"]["/tag"]
        text, *others = endpoint["parameters"]
        assert text["parameter_name"] == "text"
        assert all(other["parameter_has_default"] for other in others)
        assert {other["parameter_name"]: other["parameter_default"] for other in others}["point"] is None
        for parameter in endpoint["parameters"]:
            assert f"{parameter['parameter_name']}: " in endpoint["description"]

    def test_a_full_queue_answers_at_once_and_recovers(self, url, http, monkeypatch):
        go_on, tag = threading.Event(), Engine.tag_batch
        monkeypatch.setattr(Engine, "tag_batch", lambda *args, **settings: go_on.wait(60) and tag(*args, **settings))
        room = QUEUE["max_size"] + 4
        replies = [http.post(f"{url}gradio_api/call/v2/tag", json={"text": TEXT}) for _ in range(room + 3)]
        try:
            codes = [reply.status_code for reply in replies]
            assert codes[: QUEUE["max_size"]] == [200] * QUEUE["max_size"]
            assert codes[-1] == 503
            assert "Queue is full" in replies[-1].json()["detail"]
        finally:
            go_on.set()
        for reply in replies:
            if reply.status_code == 200:
                assert answer(http, url, "tag", reply.json()["event_id"]).startswith("event: complete")
        assert Client(url, verbose=False).predict(TEXT, api_name="/tag")["words"] > 0

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("call/nothing", {"data": [TEXT]}, "There is no such function"),
            ("call/v2/on_show", {"text": TEXT}, "There is no such function"),
            ("run/tag", {"data": [TEXT]}, ""),  # there is no way past the queue
        ],
    )
    def test_rejects_all_that_is_not_tag(self, url, http, path, body, message):
        reply = http.post(f"{url}gradio_api/{path}", json=body)
        assert reply.status_code == 404
        assert message in reply.text

    def test_a_large_body_is_refused_before_it_is_queued_and_so_is_one_of_unknown_size(self, url, http):
        for path in ("call/v2/tag", "queue/join"):
            reply = http.post(f"{url}gradio_api/{path}", json={"text": "x" * (MAX_BODY_BYTES + 1)})
            assert reply.status_code == 413
            assert reply.json()["detail"] == "A call holds at most 1 MB; this one has 1.00 MB."
            assert http.post(f"{url}gradio_api/{path}", content=iter([b"{}"])).status_code == 411

    def test_a_forged_host_is_not_repeated_where_the_address_is_given(self, engine, monkeypatch):
        monkeypatch.setenv("GRADIO_ROOT_PATH", "https://ner.example.org")
        with TestClient(App.create_app(build_demo(engine), app_kwargs=LAUNCH["app_kwargs"])) as server:
            for headers in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example"}):
                page = server.get("/config", headers=headers).text
                assert "https://ner.example.org" in page
                assert "evil" not in page

    def test_no_session_keeps_what_was_sent_or_answered(self, engine, http):
        with serving(engine) as app:
            assert ask(http, app.local_url, text=PRIVATE)["words"] > 0
            assert Client(app.local_url, verbose=False).predict(PRIVATE, api_name="/tag")["words"] > 0
            for session in app.app.state_holder.session_data.values():
                assert "private" not in repr([session.config_values, session.state_data])

    def test_requests_that_do_not_fit_are_not_logged(self, url, http, capfd):
        event = http.post(f"{url}gradio_api/call/tag", json={"data": [PRIVATE]}).json()["event_id"]
        assert "do not fit the function" in answer(http, url, "tag", event)
        written = capfd.readouterr()
        assert PRIVATE not in written.out + written.err

    @pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "app.py"), "%2e%2e/%2e%2e/etc/passwd"])
    def test_no_file_of_the_machine_is_served(self, url, http, path):
        for route in ("gradio_api/file=", "gradio_api/file/", "file=", "static/", "assets/"):
            reply = http.get(f"{url}{route}{path}")
            assert reply.status_code in (403, 404)
            assert "root:" not in reply.text
            assert "import" not in reply.text
