"""Operating points chosen on plain texts, stored with the weights."""

import json
import shutil

import pytest

from engine import load_engine
from engine.corpora import load_corpus
from engine.models.folder import NETWORKS
from engine.models.network_file import write_network
from engine.pruning.strategy import Strategy
from engine.training import trials
from engine.training.calibrate import main
from tests.conftest import SAMPLE, TEXT
from tests.engine.pytorch.families import network


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


@pytest.fixture
def few(monkeypatch):
    """Few entities suffice, and 8 bits agree in any case."""
    monkeypatch.setattr(trials, "MIN_ENTITIES", 1)
    monkeypatch.setattr(trials, "MIN_INT8_F1", 0.0)


@pytest.fixture
def calibrate(few, folder, tmp_path):
    """Chooses operating points of strategies on the beginnings of four documents, titles apart."""
    texts = [document.text[:300] for document in load_corpus(str(SAMPLE), limit=4).documents]
    (tmp_path / "small.txt").write_text("\n".join(texts))
    options = ["--model", str(folder), "--lines", "--texts", str(tmp_path / "small.txt"), "--max-f1-drop", "90,95,100"]
    return lambda strategies, *more: main([*options, "--strategies", strategies, *more])


def test_operating_points_are_stored_with_the_weights_and_used(calibrate, folder, capsys):
    for names in ("entropy", "rule,entropy+recovery"):
        assert calibrate(names) == 0
    points = json.loads((folder / "operating_points.json").read_text())
    assert {"entropy", "rule"} <= set(points)
    engine = load_engine(folder)
    assert (points["int8"]["texts"], engine.dtype) == (8, "int8")
    assert engine.strategy("entropy", "fast") == Strategy.from_json(points["entropy"]["fast"])
    assert engine.tag(TEXT, "entropy:fast").cost.token_layers_kept < 1
    said = capsys.readouterr().out
    assert "entropy:\n| operating point" in said
    assert "| `fast` (100) |" in said
    assert "measured" not in said


@pytest.mark.parametrize("kind", NETWORKS)
def test_learned_controllers_have_operating_points_of_their_own(kind, calibrate, folder):
    write_network(folder / NETWORKS[kind], network())
    assert calibrate(kind, "--dtype", "int8") == 0
    points = load_engine(folder).points[kind]
    assert points
    assert {strategy.kind for strategy in points.values()} == {kind}
