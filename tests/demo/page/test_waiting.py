"""While the weights load, a page says so; then the app takes over its port."""

from __future__ import annotations

import socket

import httpx
import pytest

from demo.page.waiting import free_port, waiting_page
from engine import InputError


def test_says_that_it_is_loading_and_leaves_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    with waiting_page() as (name, port):
        assert name == "127.0.0.1"
        reply = httpx.get(f"http://127.0.0.1:{port}/any?query")
        assert reply.status_code == 503
        assert reply.headers["Retry-After"] == "3"
        assert "Loading the weights" in reply.text
        assert free_port("127.0.0.1") != port
    with socket.socket() as app:
        app.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        app.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("given", "name"), [("", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"), ("[::1]", "[::1]")]
)
def test_is_served_under_the_name_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, given: str, name: str) -> None:
    if ":" in given and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    monkeypatch.setenv("GRADIO_SERVER_NAME", given)
    with waiting_page() as (found, port):
        assert found == name
        assert httpx.get(f"http://{name}:{port}/").status_code == 503


@pytest.mark.parametrize("name", ["my.host.invalid", "192.0.2.1", "2001:db8::1", "a" * 80])
def test_a_name_that_is_none_of_this_machine_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    with pytest.raises(InputError, match="expected GRADIO_SERVER_NAME as a name or an address"), waiting_page():
        pass


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
