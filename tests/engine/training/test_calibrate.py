"""Operating points chosen on gold or plain text, stored with the weights."""

import json
import re
import shutil

import pytest

from engine import load_engine
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import resolve
from engine.training import sweep, trials
from engine.training.calibrate import main, store_points
from tests.conftest import SAMPLE, TEXT, contents


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


@pytest.fixture
def few(monkeypatch):
    """Few settings are tried, and few entities suffice."""
    monkeypatch.setattr(sweep, "SCALES", (0.06, 0.54))
    monkeypatch.setattr(sweep, "FINER", (1.0,))
    monkeypatch.setattr(trials, "MIN_ENTITIES", 1)
    monkeypatch.setattr(trials, "MIN_DENSE_F1", 0.0)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.txt"
    path.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:4]))
    return path


def test_operating_points_are_stored_with_the_weights_and_used(few, folder, small, capsys):
    options = ["--model", str(folder), "--corpus", str(small), "--max-f1-drop", "70,80,90"]
    for names in ("entropy", "rule,entropy+recovery"):
        assert main([*options, "--strategies", names]) == 0
    points = json.loads((folder / "operating_points.json").read_text())
    assert {"entropy", "rule"} <= set(points)
    engine = load_engine(folder)  # the checksums were renewed
    assert engine.strategy("entropy", "fast") == Strategy.from_json(points["entropy"]["fast"])
    assert engine.tag(TEXT, "entropy:fast").cost.token_layers_kept < 1
    assert "entropy fast: F1" in capsys.readouterr().out


def test_operating_points_may_be_chosen_by_agreement_in_limited_time(few, folder, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{word} after nausea and {word}\n" for word in ("famotidine", "delirium", "hypotension")))
    options = ["--model", str(folder), "--texts", str(texts), "--strategies", "entropy", "--minutes", "0.0001"]
    assert main([*options, "--max-f1-drop", "90,95,100"]) == 0
    assert "time was over after" in capsys.readouterr().out


def test_a_stored_point_that_cannot_run_any_more_is_replaced(few, folder, small):
    frozen = resolve("entropy", 3, {}).to_json() | {"context": "freeze"}
    store_points(folder, {"entropy": {"fast": frozen}})
    options = ["--model", str(folder), "--corpus", str(small), "--strategies", "entropy", "--max-f1-drop", "70,80,90"]
    assert main(options) == 0
    assert load_engine(folder).strategy("entropy", "fast").gates


@pytest.mark.parametrize("text", ["", "1|t|Nausea.\n1|a|\n", "1|t|Nausea.\n1|a|\n1\t0\t6\tNausea\tDISEASE\t-1\n"])
def test_gold_that_the_dense_pass_does_not_find_chooses_no_operating_points(folder, tmp_path, text, capsys):
    """A corpus of other types, or without entities: every setting would lose nothing."""
    store_points(folder, {"entropy": {"fast": resolve("entropy", 3, {}).to_json()}})
    before = contents(folder)
    (tmp_path / "other.txt").write_text(text)
    options = ["--model", str(folder), "--corpus", str(tmp_path / "other.txt"), "--strategies", "entropy"]
    assert main(options) == 2
    assert re.search(r"to find 50 gold entities of .*other\.txt", capsys.readouterr().err)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("options", "keyword"),
    [
        (["--strategies", "mlp"], "python -m engine.training.controller"),
        (["--minutes", "0"], "--minutes"),
        (["--model", "user/name"], "download the model first"),
        (["--model", "{plain}"], "gates"),
    ],
)
def test_wrong_options_end_with_status_2_and_change_nothing(options, keyword, folder, plain_folder, small, capsys):
    before = contents(folder)
    given = [option.format(plain=plain_folder) for option in options]
    assert main(["--model", str(folder), "--corpus", str(small), *given]) == 2
    assert keyword in capsys.readouterr().err
    assert contents(folder) == before
