"""The inputs above the tabs: settings that follow the model, and dropped files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from demo.app import build_demo
from demo.common.inputs import text_of_file
from demo.common.settings_panel import shown_choices
from demo.settings import sliders
from engine import Engine
from engine.pruning.controllers import CONTROLLERS

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def components(demo: gr.Blocks, kind: type) -> list[Any]:
    return [block for block in demo.blocks.values() if isinstance(block, kind)]


class TestSettings:
    def test_offers_what_the_engine_can_run_and_compares_two(self, demo: gr.Blocks, engine: Engine) -> None:
        (strategies,) = components(demo, gr.CheckboxGroup)
        assert [value for _, value in strategies.choices] == list(engine.runnable)
        assert strategies.value == ["dense", "entropy"]
        labels = {value: label for label, value in strategies.choices}
        assert labels["rule"].endswith(CONTROLLERS["rule"].description)

    def test_the_strategy_shown_is_one_of_those_compared(self, demo: gr.Blocks) -> None:
        (shown,) = (one for one in components(demo, gr.Radio) if one.label == "Strategy shown word by word")
        assert shown.value == "entropy"
        assert [value for _, value in shown.choices] == ["dense", "entropy"]
        assert shown_choices(["dense", "rule"], "entropy")["value"] == "rule"
        assert shown_choices(["dense", "rule"], "dense")["value"] == "dense"
        assert shown_choices([], "dense") == gr.skip(), "none of the choices would be a misfit for all that reads it"
        for misfit in (gr.skip(), [["dense"]], 5, None):
            assert shown_choices(misfit, "dense") == gr.skip()

    def test_a_link_changes_strategies_and_the_one_shown_at_once(self, demo: gr.Blocks) -> None:
        opened = next(function for function in demo.fns.values() if function.name == "on_open")
        shown, strategies = opened.outputs[2:4]  # in this order: the page applies them one by one
        assert isinstance(shown, gr.Radio)
        assert isinstance(strategies, gr.CheckboxGroup)
        request: Any = SimpleNamespace(query_params={"strategies": "dense,rule", "point": "fast"})
        _, _, choice, names, *_ = opened.fn("", request)
        assert choice["choices"] == names == ["dense", "rule"]
        assert choice["value"] == "rule"
        request.query_params = {"point": "fast"}
        assert opened.fn("", request)[2:4] == [gr.skip()] * 2

    def test_a_run_comes_after_the_choice_of_the_strategy_shown(self, demo: gr.Blocks) -> None:
        (strategies,) = components(demo, gr.CheckboxGroup)
        on_change = [function.name for function in demo.fns.values() if (strategies._id, "change") in function.targets]
        assert "on_strategies" in on_change
        assert "on_edit" not in on_change

    def test_sliders_start_at_the_settings_of_the_operating_point(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stored = engine.strategy("rule", lambda_=0.3271, min_keep_ratio=0.07).to_json()
        monkeypatch.setattr(engine, "points", {"rule": {"balanced": stored}})
        assert [slider.value for slider in components(build_demo(engine), gr.Slider)] == [0.3271, 0.07, 1.0, 0.0]

    def test_sliders_say_what_they_do_and_belong_to_the_selected_strategies(
        self, demo: gr.Blocks, engine: Engine
    ) -> None:
        for slider, component in zip(sliders(engine), components(demo, gr.Slider), strict=True):
            assert slider.setting.description[1:] in component.info
            assert (component.minimum, component.maximum, component.step) == slider.range
            assert component.visible == (slider.kind == "entropy")

    def test_what_changes_nothing_is_hidden_or_disabled_and_says_so(self, demo: gr.Blocks) -> None:
        apply = next(function for function in demo.fns.values() if function.name == "on_strategies").fn
        _, point, trigger, none, *shown = apply(["dense", "rule+recovery"], "dense")
        assert trigger["interactive"]
        assert trigger["info"] == ""
        assert not point["interactive"]
        assert "Changes nothing here" in point["info"], "these weights store no operating points"
        assert [one["visible"] for one in (none, *shown)] == [False, True, True, False, False]
        _, _, trigger, none, *shown = apply(["dense"], "dense")
        assert not trigger["interactive"]
        assert "Changes nothing here" in trigger["info"]
        assert [one["visible"] for one in (none, *shown)] == [True, False, False, False, False]
        for misfit in (["<img>"], [], None, 5, [["dense"]]):
            assert all(update == gr.skip() for update in apply(misfit, "dense"))


class TestDroppedFile:
    @pytest.fixture
    def drop(self, tmp_path: Path) -> Any:
        def drop(content: bytes, name: str = "mine.txt") -> list[Any]:
            path = tmp_path / name
            path.write_bytes(content)
            updates = text_of_file(str(path))
            assert path.exists()  # another user's upload of the same content shares the file
            assert str(tmp_path) not in str(updates)
            return updates

        return drop

    def test_plain_text_becomes_the_text(self, drop: Any) -> None:
        assert drop(TEXT.encode())[0] == TEXT

    def test_of_pubtator_the_first_document_is_taken(self, drop: Any) -> None:
        text, line = drop(b"1|t|Title.\n1|a|Abstract.\n\n2|t|Other.\n2|a|One.\n\n")
        assert text == "Title.\nAbstract."
        assert "first document in the file" in line["value"]

    def test_a_lone_surrogate_which_json_cannot_carry_is_replaced(self, drop: Any) -> None:
        assert drop(b'{"text": "Nausea \\ud83d"}', "a.jsonl")[0] == "Nausea \ufffd"

    def test_a_missing_file_gives_a_message(self, tmp_path: Path) -> None:
        text, line = text_of_file(str(tmp_path / "gone.txt"))
        assert text == gr.skip()
        assert "upload it again" in line["value"]

    def test_names_of_files_are_text(self, drop: Any) -> None:
        assert "<img" not in drop(b"\xff", "<img src=x onerror=alert(1)>.txt")[1]["value"]
