"""The demo's Blocks: HTTP API calls are forgotten once they are answered."""

import gradio as gr
import httpx
import pytest
from gradio_client import Client

from demo.server.page import Page
from tests.demo.serving import ask

TEXT = "a private text"


@pytest.fixture
def page():
    def echo(text: str) -> dict[str, str]:  # Gradio reads the types
        return {"answer": f"{text}, answered"}

    with Page("x", {}) as page:
        gr.api(echo, api_name="echo")
    page.launch(prevent_thread_lock=True, quiet=True)
    yield page
    page.close(verbose=False)


def test_no_session_keeps_what_the_http_api_was_sent_or_answered(page):
    url = page.local_url
    with httpx.Client() as client:
        assert ask(client, url, "echo", text=TEXT)["answer"] == f"{TEXT}, answered"
    assert not page.app.state_holder.session_data, "each call would push a visitor's session out"
    assert Client(url, verbose=False).predict(TEXT, api_name="/echo")["answer"] == f"{TEXT}, answered"
    sessions = page.app.state_holder.session_data.values()
    assert len(sessions) == 1
    for session in sessions:
        assert TEXT not in repr([session.config_values, session.state_data])
