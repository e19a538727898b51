"""Adding a controller takes one file and one line: everything else asks it what it is."""

import json
from dataclasses import dataclass

import pytest

from engine import tag
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.gate import Gate, Values
from engine.pruning.settings import setting
from engine.training.sweep import first_settings
from tests.conftest import TEXT


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
    assert all(isinstance(strategy.controller, Unsure) for strategy in first_settings(engine, "unsure", 3))


def test_the_command_line_runs_it(model_folder, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT)
    options = ["--model", str(model_folder), "--strategy", "unsure", "--set", "most=.9", "--format", "jsonl"]
    assert tag.main([str(tmp_path / "a.txt"), *options]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == TEXT
