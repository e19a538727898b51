"""While the weights load, a page says so; then the app has its port."""

from __future__ import annotations

import socket

import httpx
import pytest

from demo.page.waiting import free_port, waiting_page
from engine import InputError


def test_says_that_it_is_loading_and_leaves_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    with waiting_page() as port:
        reply = httpx.get(f"http://127.0.0.1:{port}/any?query")
        assert reply.status_code == 503
        assert reply.headers["Retry-After"] == "3"
        assert "Loading the weights" in reply.text
        assert free_port("127.0.0.1") != port
    with socket.socket() as app:
        app.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        app.bind(("127.0.0.1", port))


def test_a_port_in_use_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken.getsockname()[1]))
        with pytest.raises(InputError, match=r"in use.*set GRADIO_SERVER_PORT to another"), waiting_page():
            pass


def test_takes_the_port_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", "12345")
    assert free_port("127.0.0.1") == 12345


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_a_sentence(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(InputError, match="expected GRADIO_SERVER_PORT from 1 to 65535, got"):
        free_port("127.0.0.1")
