"""The page: what it offers for a model, what it compares, what it says when it cannot."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import app
from demo import measuring
from demo.app import build_demo
from demo.examples import EXAMPLES
from demo.measuring import measure
from demo.page.inputs import dropped_text
from demo.page.theme import LAUNCH
from demo.settings import KNOBS, MAX_CHARACTERS, choices, chosen_strategy, own_values, points
from demo.tabs.compare import compare
from engine import Engine, load_engine

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."
ALL = ["dense", "rule", "entropy", "rule+recovery", "entropy+recovery", "hf", "random", "truncate-1"]
DEFAULTS = (None, "", 0.0, 0.1, 0.0)


@pytest.fixture(scope="module")
def plain_engine(plain_folder: Path) -> Engine:
    return load_engine(plain_folder)


@pytest.fixture(scope="module")
def demo(engine: Engine) -> gr.Blocks:
    return build_demo(engine)


def components(demo: gr.Blocks, kind: type) -> list[Any]:
    return [block for block in demo.blocks.values() if isinstance(block, kind)]


def handler(demo: gr.Blocks, name: str) -> Any:
    return next(function.fn for function in demo.fns.values() if function.name == name)


def shown(updates: list[Any], names: list[str]) -> list[str]:
    """Names of the strategies whose panels are visible."""
    return [name for name, panel in zip(names, updates[1::3], strict=True) if panel["visible"]]


class TestCompare:
    def test_runs_every_strategy(self, engine: Engine) -> None:
        updates = compare(engine, TEXT, ALL, *DEFAULTS)
        assert "median of 5 runs" in updates[0]
        assert shown(updates, ALL) == ALL
        for name, card, segments in zip(ALL, updates[2::3], updates[3::3], strict=True):
            assert f"<h3>{name}</h3>" in card
            assert "".join(text for text, _ in segments) == TEXT

    def test_dense_is_measured_even_when_it_is_not_shown(self, engine: Engine) -> None:
        updates = compare(engine, TEXT, ["rule"], *DEFAULTS)
        assert shown(updates, ALL) == ["rule"]
        assert "dense" in updates[2 + 3 * ALL.index("rule")]

    def test_sliders_and_trigger_reach_the_strategies_that_have_them(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ran = {}

        def spy(engine: Engine, text: str, strategies: list[Any]) -> Any:
            ran.update({strategy.name: strategy for strategy in strategies})
            return measure(engine, text, strategies)

        monkeypatch.setattr("demo.tabs.compare.measure", spy)
        compare(engine, TEXT, ALL, None, "entity_loss", 1.5, 0.25, 0.5)
        of_rule, of_entropy = {"lambda_": 1.5, "min_keep_ratio": 0.25}, {"min_keep_ratio": 0.5}
        assert ran["rule"] == engine.strategy("rule", **of_rule)
        assert ran["rule+recovery"] == engine.strategy("rule+recovery", trigger="entity_loss", **of_rule)
        assert ran["entropy"] == engine.strategy("entropy", **of_entropy)
        assert ran["entropy+recovery"] == engine.strategy("entropy+recovery", trigger="entity_loss", **of_entropy)
        assert ran["random"] == engine.random("random", ran["entropy"])

    def test_what_is_left_as_it_stands_is_the_operating_point(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calibrated = {
            "rule": engine.strategy("rule", lambda_=0.3271),
            "entropy": engine.strategy("entropy", min_keep_ratio=0.2),
            "entropy+recovery": engine.strategy("entropy+recovery", trigger="entropy_spike", min_keep_ratio=0.3),
        }
        at_point = {name: replace(strategy, point="fast") for name, strategy in calibrated.items()}
        stored = {name: {"fast": strategy.to_json()} for name, strategy in at_point.items()}
        monkeypatch.setattr(engine, "points", stored)
        for name, strategy in at_point.items():
            assert chosen_strategy(engine, name, "fast", "", own_values(engine, "fast")) == strategy

    @pytest.mark.parametrize("text", ["", "   ", "\n\t\u00a0\n"])
    def test_blank_text_gives_a_message(self, engine: Engine, text: str) -> None:
        updates = compare(engine, text, ALL, *DEFAULTS)
        assert "There is no text yet" in updates[0]
        assert shown(updates, ALL) == []

    def test_overlong_text_gives_a_message(self, engine: Engine) -> None:
        updates = compare(engine, "a" * (MAX_CHARACTERS + 1), ALL, *DEFAULTS)
        assert "100,001 characters, the limit is 100,000" in updates[0]
        assert shown(updates, ALL) == []

    def test_no_strategy_gives_a_message(self, engine: Engine) -> None:
        assert "No strategy is chosen" in compare(engine, TEXT, [], *DEFAULTS)[0]

    @pytest.mark.parametrize("text", ["\0", "\ud800", "😀", "\u202e", "<b>${x}</b>", "a" * 1000])
    def test_odd_texts_are_texts(self, engine: Engine, text: str) -> None:
        updates = compare(engine, text, ["rule"], *DEFAULTS)
        assert shown(updates, ALL) == ["rule"]

    def test_a_model_without_gates_offers_what_it_can(self, plain_engine: Engine) -> None:
        assert choices(plain_engine) == ["dense", "hf"]
        updates = compare(plain_engine, TEXT, ["dense", "hf"], None, None)
        assert shown(updates, ["dense", "hf"]) == ["dense", "hf"]


class TestMeasure:
    def test_strategies_take_turns(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        order = []
        tag = engine.tag
        monkeypatch.setattr(engine, "tag", lambda text, strategy: order.append(strategy.name) or tag(text, strategy))
        found = measure(engine, TEXT, [engine.strategy(name) for name in ("dense", "rule")])
        assert [one.result.strategy.name for one in found] == ["dense", "rule"]
        assert order == ["dense", "rule"] * 2 + ["rule", "dense", "dense", "rule"] * 2

    def test_slow_texts_get_fewer_runs(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "BUDGET_S", -1.0)
        assert len(measure(engine, TEXT, [engine.strategy("dense")])[0].runs_ms) == 1
        assert "one run" in compare(engine, TEXT, ["dense"], *DEFAULTS)[0]


class TestDroppedFile:
    @pytest.fixture
    def drop(self, tmp_path: Path) -> Any:
        def drop(content: bytes, name: str = "mine.txt") -> list[Any]:
            path = tmp_path / name
            path.write_bytes(content)
            updates = dropped_text(str(path))
            assert path.exists()  # another user's upload of the same content is the same file
            assert str(tmp_path) not in str(updates)
            return updates

        return drop

    def test_plain_text_becomes_the_text(self, drop: Any) -> None:
        assert drop(TEXT.encode())[0] == TEXT

    def test_of_pubtator_the_first_document_is_taken(self, drop: Any) -> None:
        text, line, file = drop(b"1|t|Title.\n1|a|Abstract.\n\n2|t|Other.\n2|a|One.\n\n")
        assert (text, file) == ("Title.\nAbstract.", None)
        assert "first document of the file" in line["value"]

    def test_a_single_document_needs_no_remark(self, drop: Any) -> None:
        assert drop(b"1|t|Title.\n1|a|Abstract.\n\n")[1]["visible"] is False

    def test_a_file_that_is_gone_gives_a_message(self, tmp_path: Path) -> None:
        text, line, _ = dropped_text(str(tmp_path / "gone.txt"))
        assert text == gr.skip()
        assert "upload it again" in line["value"]

    def test_a_file_that_is_no_text_gives_a_message(self, drop: Any) -> None:
        text, line, _ = drop(b"\xff\xfe")
        assert text == gr.skip()
        assert "mine.txt:1: document mine: expected UTF-8" in line["value"]

    def test_a_large_file_gives_a_message(self, drop: Any) -> None:
        assert "at most 1,000,000 bytes, got 1,000,001" in drop(b"a" * 1_000_001)[1]["value"]

    def test_names_of_files_are_text(self, drop: Any) -> None:
        assert "<img" not in drop(b"\xff", "<img src=x onerror=alert(1)>.txt")[1]["value"]


class TestPage:
    def test_offers_the_strategies_and_chooses_three(self, demo: gr.Blocks) -> None:
        (strategies,) = components(demo, gr.CheckboxGroup)
        assert [value for _, value in strategies.choices] == ALL
        assert strategies.value == ["dense", "rule", "entropy"]
        assert len(components(demo, gr.HighlightedText)) == len(ALL)

    def test_sliders_start_at_the_strategies_own_settings(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stored = engine.strategy("rule", lambda_=0.3271, min_keep_ratio=0.07).to_json()
        monkeypatch.setattr(engine, "points", {"rule": {"balanced": stored}})
        sliders = components(build_demo(engine), gr.Slider)
        assert [slider.value for slider in sliders] == [0.3271, 0.07, 0.0]

    def test_a_point_sets_the_sliders_and_the_strategies(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        def stored(lambda_: float) -> dict[str, Any]:
            return engine.strategy("rule", lambda_=lambda_).to_json()

        monkeypatch.setattr(engine, "points", {"rule": {"exact": stored(-1.0), "fast": stored(1.0)}})
        assert points(engine) == ["exact", "fast"]

    def test_sliders_name_the_strategies_which_have_the_knob(self, demo: gr.Blocks, engine: Engine) -> None:
        for knob, slider in zip(KNOBS, components(demo, gr.Slider), strict=True):
            named = slider.info.removeprefix("Of ").partition(":")[0].split(", ")
            assert named[0] == knob.strategy
            assert all(knob.name in engine.strategy(name).knobs() for name in named)

    def test_the_trigger_starts_as_the_point_has_it(self, demo: gr.Blocks) -> None:
        trigger = next(one for one in components(demo, gr.Dropdown) if one.label == "Trigger of recovery")
        assert trigger.value == ""
        assert trigger.choices[0] == ("as the point has it", "")
        assert trigger.info == "Of rule+recovery, entropy+recovery: when words come back."

    def test_button_examples_files_and_opening_the_page_compare(self, demo: gr.Blocks) -> None:
        comparing = [function for function in demo.fns.values() if function.name == "on_compare"]
        assert len(comparing) == 4
        assert {function.concurrency_id for function in comparing} == {"engine"}
        updates = comparing[0].fn(TEXT, ["dense"], *DEFAULTS)
        assert len(updates) == len(comparing[0].outputs)

    def test_warns_against_clinical_use(self, demo: gr.Blocks) -> None:
        assert any("not for clinical decisions" in str(block.value) for block in components(demo, gr.HTML))

    def test_a_model_without_gates_has_a_page_without_sliders(self, plain_engine: Engine) -> None:
        assert components(build_demo(plain_engine), gr.Slider) == []

    def test_examples_are_texts_one_can_compare(self) -> None:
        assert 5 <= len(EXAMPLES) <= 6
        assert all(60 <= len(text.split()) <= 350 for text in EXAMPLES.values())
        assert any(not text.isascii() for text in EXAMPLES.values())

    def test_launches_without_network(self) -> None:
        assert set(LAUNCH) <= set(inspect.signature(gr.Blocks.launch).parameters)
        assert LAUNCH["run_history"] is False
        assert LAUNCH["theme"]._stylesheets == []
        assert "http" not in LAUNCH["css"]


class TestApp:
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
