"""The page as a whole, and the command that serves it."""

import socket

import gradio as gr
import pytest

from demo import __main__ as app
from demo.server import LAUNCH
from tests.demo.conftest import components


def test_warns_against_clinical_use_and_deletes_files_of_visitors_within_20_minutes(demo):
    every, age = demo.delete_cache
    assert every + age <= 20 * 60
    assert any("not for clinical decisions" in str(page.value) for page in components(demo, gr.HTML))


def test_launches_without_network():
    assert LAUNCH["theme"]._stylesheets == []
    assert "http" not in LAUNCH["css"]


class TestCommand:
    @pytest.fixture
    def launched(self, monkeypatch):
        calls = []
        monkeypatch.setattr(gr.Blocks, "launch", lambda self, **settings: calls.append(settings))
        return calls

    def test_serves_a_model_folder(self, model_folder, launched):
        assert app.main(["--model", str(model_folder)]) == 0
        (settings,) = launched
        assert settings == {"share": None, "server_name": "127.0.0.1", "server_port": None, **LAUNCH}

    @pytest.mark.parametrize(
        ("variable", "value", "message"),
        [
            (None, "", "expected a Hugging Face token-classification model"),  # an empty folder
            *(("GRADIO_SERVER_NAME", name, "") for name in ("my.host.invalid", "192.0.2.1", "2001:db8::1", "a" * 80)),
            *(("GRADIO_SERVER_PORT", port, "") for port in ("http", "0", "65536", "-1")),
        ],
    )
    def test_rejects_weights_and_addresses(self, tmp_path, monkeypatch, launched, capsys, variable, value, message):
        if variable:
            monkeypatch.setenv(variable, value)
        assert app.main(["--model", str(tmp_path)]) == 2
        assert (message or f"expected {variable}") in capsys.readouterr().err
        assert launched == []

    def test_a_port_in_use_ends_with_status_2_and_the_reason(self, model_folder, monkeypatch, capsys):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken.getsockname()[1]))
            assert app.main(["--model", str(model_folder)]) == 2
        assert "expected a free port" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("given", "name"), [("", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"), ("[::1]", "[::1]")]
    )
    def test_an_address_is_passed_on_with_brackets_around_ipv6(self, monkeypatch, given, name):
        if ":" in given and not socket.has_dualstack_ipv6():
            pytest.skip("needs IPv6")
        monkeypatch.setenv("GRADIO_SERVER_NAME", given)
        monkeypatch.setenv("GRADIO_SERVER_PORT", "12345")
        assert app.server_address() == (name, 12345)


def test_without_glibc_nothing_stops(monkeypatch):
    monkeypatch.setattr(app.ctypes, "CDLL", open)  # finds no such file
    app.share_memory()
