"""Adding a controller takes one file and one line: everything else asks it what it is."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from engine import tag
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.gate import Decision, GateView
from engine.pruning.settings import setting
from engine.training.sweep import first_settings
from tests.conftest import TEXT


@dataclass(frozen=True)
class EveryOther(Controller):
    """One word in ``stride`` exits."""

    kind = "every-other"
    description = "One word in so many exits."

    stride: int = setting(2, "one word in so many exits", 2, 10, kind="whole", on_page=True)

    def __call__(self, gate: GateView) -> Decision:
        importance = (np.arange(len(gate.words)) % self.stride).astype(float)
        return Decision(gate.alive & (importance == 0), importance)

    def threshold(self, gate: GateView, importance: np.ndarray) -> np.ndarray:
        return np.zeros(len(importance))


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(CONTROLLERS, EveryOther.kind, EveryOther)


def test_the_engine_offers_runs_explains_and_calibrates_it(engine):
    assert {"every-other", "every-other+recovery"} <= set(engine.runnable)
    result = engine.tag(TEXT, "every-other", stride=3)
    assert [word.layer for word in result.trace.words].count(1) == -(-len(result.words) // 3)
    assert [word.gates[0].reason for word in result.trace.words][:4] == ["exit", "importance", "importance", "exit"]
    tried = {strategy.controller.stride for strategy in first_settings(engine, "every-other", 3)}
    assert {2, 10} < tried


def test_the_command_line_runs_it(model_folder, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT)
    options = ["--model", str(model_folder), "--strategy", "every-other", "--set", "stride=3", "--format", "jsonl"]
    assert tag.main([str(tmp_path / "a.txt"), *options]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == TEXT
