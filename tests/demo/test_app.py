"""The page as a whole, and the command that serves it."""

from __future__ import annotations

import inspect
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import app
from demo.server import LAUNCH
from demo.settings import default_values
from engine import Engine

TEXT = "Famotidine-associated delirium."


class TestPage:
    def test_button_examples_files_settings_and_opening_the_page_run(self, demo: gr.Blocks, engine: Engine) -> None:
        (run,) = (block for block in demo.blocks.values() if isinstance(block, gr.Button) and block.value == "Run")
        asks = [function for function in demo.fns.values() if function.name == "on_request"]
        assert [function.targets for function in asks] == [[(run._id, "click")]]
        edits = [function for function in demo.fns.values() if function.name == "on_edit"]
        settings = 1 + 1 + 1 + 1 + 1 + len(default_values(engine, None))  # strategies, beside, point (twice), trigger
        assert len(edits) == 3 + settings  # example, file, link
        assert not any(function.queue for function in (*asks, *edits))
        (comparing,) = (function for function in demo.fns.values() if function.name == "on_compare")
        assert comparing.concurrency_id == "engine"

    def test_an_edit_that_changes_nothing_does_not_run(self, demo: gr.Blocks) -> None:
        request: Any = SimpleNamespace(session_hash="edits")
        edit = next(function for function in demo.fns.values() if function.name == "on_edit").fn
        number, line = edit(request, TEXT, ["dense"])
        assert number > 0
        assert "Running" in line
        assert edit(request, TEXT, ["dense"]) == [gr.skip()] * 2
        again, _ = edit(request, TEXT, ["dense", "entropy"])
        assert again > number

    def test_no_change_goes_round_between_listeners(self, demo: gr.Blocks) -> None:
        deferring = [function for function in demo.fns.values() if function.trigger_mode == "always_last"]
        sources = [block for function in deferring for block, event in function.targets if event == "change"]
        assert sources
        assert len(sources) == len(set(sources)), "two that defer would set each other off for ever"

    def test_cancel_keeps_what_is_shown_already(self, demo: gr.Blocks) -> None:
        request: Any = SimpleNamespace(session_hash="a")
        cancel = next(function for function in demo.fns.values() if function.name == "on_cancel").fn
        assert cancel(request, 7, 7) == gr.skip()
        assert "Cancelled" in cancel(request, 7, 6)

    def test_cancel_ends_the_run_by_taking_its_turn(self, demo: gr.Blocks) -> None:
        request: Any = SimpleNamespace(session_hash="cancels")
        edit, cancel = (
            next(function for function in demo.fns.values() if function.name == name).fn
            for name in ("on_edit", "on_cancel")
        )
        number, _ = edit(request, TEXT, ["dense"])
        cancel(request, number, 0)
        again, _ = edit(request, TEXT, ["dense"])
        assert again == number + 2

    def test_files_of_visitors_are_gone_within_20_minutes(self, demo: gr.Blocks) -> None:
        assert demo.delete_cache is not None
        every, age = demo.delete_cache
        assert every + age <= 20 * 60

    def test_warns_against_clinical_use(self, demo: gr.Blocks) -> None:
        pages = [block for block in demo.blocks.values() if isinstance(block, gr.HTML)]
        assert any("not for clinical decisions" in str(page.value) for page in pages)

    def test_launches_without_network(self) -> None:
        assert set(LAUNCH) <= set(inspect.signature(gr.Blocks.launch).parameters)
        assert LAUNCH["run_history"] is False
        assert LAUNCH["theme"]._stylesheets == []
        assert "http" not in LAUNCH["css"]


class TestCommand:
    @pytest.fixture
    def launched(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        monkeypatch.setattr(gr.Blocks, "launch", lambda self, **settings: calls.append(settings))
        return calls

    def test_serves_a_model_folder(self, model_folder: Path, launched: list[dict[str, Any]]) -> None:
        assert app.main(["--model", str(model_folder)]) == 0
        (settings,) = launched
        assert settings == {"share": None, "server_name": "127.0.0.1", "server_port": None, **LAUNCH}

    def test_dtypes_that_do_not_fit_the_models_end_with_status_2(self, capsys: Any) -> None:
        with pytest.raises(SystemExit, match="2"):
            app.main(["--dtype", "float32", "--dtype", "int8"])
        assert "one for each of 1 --model, got 2" in capsys.readouterr().err

    def test_labels_are_those_of_one_model(self, capsys: Any) -> None:
        with pytest.raises(SystemExit, match="2"):
            app.main(["--model", "a", "--model", "b", "--labels", "labels.txt"])
        assert "expected one --model with --labels" in capsys.readouterr().err

    def test_bad_weights_end_with_status_2_and_the_reason(
        self, tmp_path: Path, launched: list[dict[str, Any]], capsys: Any
    ) -> None:
        assert app.main(["--model", str(tmp_path)]) == 2
        assert "expected a Hugging Face token-classification model" in capsys.readouterr().err
        assert launched == []

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            *(("GRADIO_SERVER_NAME", name) for name in ("my.host.invalid", "192.0.2.1", "2001:db8::1", "a" * 80)),
            *(("GRADIO_SERVER_PORT", port) for port in ("http", "0", "65536", "-1")),
        ],
    )
    def test_an_address_that_cannot_be_used_ends_with_status_2_and_its_name(
        self, monkeypatch: pytest.MonkeyPatch, launched: list[dict[str, Any]], capsys: Any, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert app.main([]) == 2
        assert f"expected {variable}" in capsys.readouterr().err
        assert launched == []

    def test_a_port_in_use_ends_with_status_2_and_the_reason(
        self, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken.getsockname()[1]))
            assert app.main(["--model", str(model_folder)]) == 2
        assert "expected a free port" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("given", "name"), [("", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"), ("[::1]", "[::1]")]
    )
    def test_an_address_is_passed_on_with_brackets_around_ipv6(
        self, monkeypatch: pytest.MonkeyPatch, given: str, name: str
    ) -> None:
        if ":" in given and not socket.has_dualstack_ipv6():
            pytest.skip("needs IPv6")
        monkeypatch.setenv("GRADIO_SERVER_NAME", given)
        monkeypatch.setenv("GRADIO_SERVER_PORT", "12345")
        assert app.server_address() == (name, 12345)


def test_without_glibc_threads_keep_memory_of_their_own_and_nothing_stops(monkeypatch):
    def none(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(app.ctypes, "CDLL", none)
    app.share_memory()
