"""The page as a whole, and the command that serves it."""

import re
import socket
from pathlib import Path

import gradio as gr
import pytest

from demo import __main__ as app
from demo.app import build_demo
from demo.launch import LAUNCH
from engine.models.shipped import SHIPPED
from tests.demo.conftest import components, listeners


def test_warns_against_clinical_use_deletes_files_of_visitors_within_20_minutes_and_loads_nothing_from_elsewhere(demo):
    assert sum(demo.delete_cache) <= 20 * 60
    assert any("not for clinical decisions" in str(page.value) for page in components(demo, gr.HTML))
    assert LAUNCH["theme"]._stylesheets == []
    assert "http" not in LAUNCH["css"]


@pytest.fixture
def two_pages(engine, plain_engine, monkeypatch):
    """An app that finds one thing or another; the second model passes for the weights of six types."""
    monkeypatch.setattr(plain_engine, "source", str(SHIPPED["six"]))
    return build_demo(engine, plain_engine)


def test_a_model_without_gates_is_not_called_faster_and_has_nothing_to_set(engine, plain_engine):
    def heads(of):
        return [page.value for page in components(build_demo(of), gr.HTML) if 'class="intro"' in str(page.value)]

    assert "entities faster</h1>" in heads(engine)[0]
    assert "entities</h1>" in heads(plain_engine)[0]
    assert not any(tab.visible for tab in components(build_demo(plain_engine), gr.Tab, label="Settings"))


class TestWhatToFind:
    def test_each_model_has_a_page_of_its_own_and_links_to_the_others(self, two_pages, engine):
        heads = [page.value for page in components(two_pages, gr.HTML) if 'class="intro"' in str(page.value)]
        assert [address for address, *_ in two_pages.pages] == ["", "six"]
        for head, here in zip(heads, ("", "six"), strict=True):
            assert re.findall(r'<a href="\./(\w*)"( aria-current=page)?>', head) == [
                (address, " aria-current=page" * (address == here)) for address in ("", "six")
            ]
        assert "What to find" not in str([page.value for page in components(build_demo(engine), gr.HTML)])

    def test_the_api_names_the_models_that_it_takes(self, two_pages):
        (tag,) = (fn for fn in two_pages.fns.values() if fn.api_name == "tag")
        assert re.search(r"what is found: \S+ or six\.", tag.api_description)
        assert "chemicals-diseases" not in tag.api_description

    def test_what_a_page_does_is_done_by_its_own_model(self, two_pages):
        strategies = {block.page: block.choices for block in components(two_pages, gr.CheckboxGroup)}
        assert {page: "entropy" in str(offered) for page, offered in strategies.items()} == {"": True, "six": False}
        assert {listener.page for listener in listeners(two_pages, "on_change")} == {"", "six"}

    def test_the_http_api_takes_the_model_by_name(self, two_pages, engine, plain_engine):
        (tag,) = listeners(two_pages, "on_tag")
        assert tag.page == "", "the page Use via API of the first page shows it"
        for name, model in ((Path(engine.source).name, engine), ("six", plain_engine)):
            found = tag.fn("Aspirin and asthma.", "dense", None, None, None, None, False, name)["entities"]
            assert [entity["score"] for entity in found] == [
                pytest.approx(entity.score) for entity in model.tag("Aspirin and asthma.", "dense").entities
            ]
        for wrong in ("seven", ["six"]):
            with pytest.raises(gr.Error, match="There is no model"):
                tag.fn("Aspirin.", "dense", None, None, None, None, False, wrong)


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
            (None, "", "config.json"),  # an empty folder
            *(("GRADIO_SERVER_NAME", name, "") for name in ("my.host.invalid", "192.0.2.1", "2001:db8::1", "a" * 80)),
            *(("GRADIO_SERVER_PORT", port, "") for port in ("http", "0", "65536", "-1")),
        ],
    )
    def test_rejects_weights_and_addresses(self, tmp_path, monkeypatch, launched, capsys, variable, value, message):
        if variable:
            monkeypatch.setenv(variable, value)
        assert app.main(["--model", str(tmp_path)]) == 2
        assert (message or f"{variable} is {value!r}") in capsys.readouterr().err
        assert launched == []

    def test_a_port_in_use_ends_with_status_2_and_the_reason(self, model_folder, monkeypatch, capsys):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken.getsockname()[1]))
            assert app.main(["--model", str(model_folder)]) == 2
        assert "already in use" in capsys.readouterr().err

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
