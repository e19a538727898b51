"""Adding a controller takes one file and one line: everything else asks it what it is."""

import json
from dataclasses import dataclass

import gradio as gr
import pandas as pd
import pytest

from demo.app import build_demo
from demo.run import Column
from demo.settings import select_strategy
from demo.view import REASONS, view
from engine import tag
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.gate import Gate, Values
from engine.settings import setting
from engine.training.sweep import grid
from eval import report
from tests.conftest import TEXT
from tests.demo.conftest import components
from tests.eval.conftest import stub_slow_parts

SHORT = "Famotidine-associated delirium."


@dataclass(frozen=True)
class Unsure(Controller):
    """Words exit that are not too sure."""

    kind = "unsure"
    description = "Words exit that are not too sure."

    most: float = setting(0.5, "probability up to which words exit", on_page=True)

    def importance(self, gate: Gate) -> Values:
        return gate.confidence

    def threshold(self, gate: Gate, importance: Values) -> Values:
        return gate.number_of("most")


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(CONTROLLERS, Unsure.kind, Unsure)


def test_the_engine_offers_runs_explains_and_calibrates_it(engine):
    assert {"unsure", "unsure+recovery"} <= set(engine.runnable)
    result = engine.tag(TEXT, "unsure", most=0.9, gates=(1,))
    first = [word.gates[0] for word in result.trace.words]
    assert {at.reason for at in first} == {"exit", "importance"}
    assert all((at.reason == "exit") == at.exited == (at.confidence <= 0.9) for at in first)
    assert all(isinstance(strategy.controller, Unsure) for strategy in grid(engine, "unsure"))


def test_the_command_line_runs_it(model_folder, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT)
    options = ["--model", str(model_folder), "--strategy", "unsure", "--set", "most=.9", "--format", "jsonl"]
    assert tag.main([str(tmp_path / "a.txt"), *options]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == TEXT


def test_the_page_offers_it_with_its_settings_runs_and_explains_it(engine):
    page = build_demo(engine)
    (strategies,) = components(page, gr.CheckboxGroup)
    assert {"unsure", "unsure+recovery"} <= {name for _, name in strategies.choices}
    (setting,) = components(page, gr.Slider, label="Unsure: most")
    assert (setting.minimum, setting.maximum, setting.value) == (0, 1, 0.5)
    chosen = select_strategy(engine, "unsure", None, "", {"unsure.most": 0.9})
    dense, result = engine.tag(SHORT, "dense"), engine.tag(SHORT, chosen.strategy)
    assert result.entities == engine.tag(SHORT, "unsure", most=0.9).entities
    (column,) = view(engine, [Column(chosen, result, 1.0)], dense)["columns"]
    assert column["title"] == "Unsure (most 0.9)"
    assert [word[1] for word in column["words"]] == [word.state for word in result.trace.words]
    assert {gate[5] for word in column["words"] for gate in word[4]} <= set(REASONS)


def test_a_report_measures_it_with_its_settings(model_folder, tmp_path, monkeypatch):
    stub_slow_parts(monkeypatch)
    names = "unsure,unsure+recovery,random@unsure"
    options = f"--model {model_folder} --limit 1 --batch-size 1 --dtype float32 --baselines none --out {tmp_path}"
    assert report.main(f"{options} --strategies {names} --set unsure.most=0.9 --set unsure.gates=1,2".split()) == 0
    table = pd.read_csv(tmp_path / "results.csv").set_index("variant")
    assert list(table.index) == ["dense", *names.split(",")]
    assert table["prunes"].tolist() == [False, True, True, False]
    assert table.loc["unsure", "token_layers_kept"] < 1
    assert "unsure" in (tmp_path / "report.md").read_text()
