"""The page as a whole, and the command that serves it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import app
from demo.app import build_demo
from demo.examples import EXAMPLES
from demo.page.theme import LAUNCH
from demo.settings import default_values
from engine import Engine

TEXT = "Famotidine-associated delirium."


@pytest.fixture(scope="module")
def demo(engine: Engine) -> gr.Blocks:
    return build_demo(engine)


class TestPage:
    def test_button_examples_files_and_opening_the_page_compare(self, demo: gr.Blocks, engine: Engine) -> None:
        comparing = [function for function in demo.fns.values() if function.name == "on_compare"]
        assert len(comparing) == 4
        assert {function.concurrency_id for function in comparing} == {"engine"}
        updates = comparing[0].fn(TEXT, ["dense"], None, "", *default_values(engine, None))
        assert len(updates) == len(comparing[0].outputs)

    def test_warns_against_clinical_use(self, demo: gr.Blocks) -> None:
        pages = [block for block in demo.blocks.values() if isinstance(block, gr.HTML)]
        assert any("not for clinical decisions" in str(page.value) for page in pages)

    def test_examples_are_texts_one_can_compare(self) -> None:
        assert 5 <= len(EXAMPLES) <= 6
        assert all(60 <= len(text.split()) <= 350 for text in EXAMPLES.values())
        assert any(not text.isascii() for text in EXAMPLES.values())

    def test_launches_without_network(self) -> None:
        assert set(LAUNCH) <= set(inspect.signature(gr.Blocks.launch).parameters)
        assert LAUNCH["run_history"] is False
        assert LAUNCH["theme"]._stylesheets == []
        assert "http" not in LAUNCH["css"]

    @pytest.mark.parametrize("selector", ["p.alert", ".words", ".card", ".tokens", ".layers", ".why", ".plot"])
    def test_every_part_has_its_style_sheet(self, selector: str) -> None:
        assert selector in LAUNCH["css"]


class TestCommand:
    @pytest.fixture
    def launched(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        monkeypatch.setattr(gr.Blocks, "launch", lambda self, **settings: calls.append(settings))
        return calls

    def test_serves_a_model_folder(
        self, model_folder: Path, launched: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.argv", ["app.py", "--model", str(model_folder)])
        assert app.main() == 0
        (settings,) = launched
        assert settings.pop("server_port") >= 1024
        assert settings == {"share": None, **LAUNCH}

    def test_bad_weights_end_with_status_2_and_the_reason(
        self, tmp_path: Path, launched: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        monkeypatch.setattr("sys.argv", ["app.py", "--model", str(tmp_path)])
        assert app.main() == 2
        assert "expected a Hugging Face token-classification model" in capsys.readouterr().err
        assert launched == []
