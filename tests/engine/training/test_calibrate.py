"""Operating points chosen on gold or plain text, stored with the weights."""

import csv
import json
import re
import shutil

import pytest

from engine import load_engine
from engine.checksums import write_checksums
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import resolve
from engine.training.calibrate import main, store_points
from engine.training.sweep import Sweep
from tests.conftest import SAMPLE, TEXT, contents, scaled


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.txt"
    path.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:4]))
    return path


def test_operating_points_are_stored_with_the_weights_and_used(folder, small, capsys):
    columns = "strategy,settings,f1,f1_drop_points,f1_drop_error,token_layers_kept,theoretical_speedup"
    (folder / "frontier.csv").write_text(f"{columns}\nmlp,{{}},.9,1,1,1,1\n")  # of an earlier version
    write_checksums(folder)
    options = ["--model", str(folder), "--corpus", str(small), "--max-f1-drop", "70,80,90"]
    for names in ("entropy", "rule,entropy+recovery"):
        assert main([*options, "--strategies", names]) == 0
    points = json.loads((folder / "operating_points.json").read_text())
    assert {"entropy", "rule"} <= set(points)
    engine = load_engine(folder)  # the checksums were renewed
    assert engine.strategy("entropy", "fast") == Strategy.from_json(points["entropy"]["fast"])
    assert engine.tag(TEXT, "entropy:fast").cost.token_layers_kept < 1
    with (folder / "frontier.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["strategy"] for row in rows} == {"entropy", "rule", "entropy+recovery", "mlp"}
    assert {row["f1_drop_pp"] for row in rows if row["strategy"] == "mlp"} == {"1"}
    assert len({row["settings"] for row in rows}) == len(rows)
    assert "entropy fast: F1" in capsys.readouterr().out


def test_operating_points_may_be_chosen_by_agreement_in_limited_time(folder, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{word} after nausea and {word}\n" for word in ("famotidine", "delirium", "hypotension")))
    options = ["--model", str(folder), "--texts", str(texts), "--strategies", "entropy", "--minutes", "0.0001"]
    assert main([*options, "--max-f1-drop", "90,95,100"]) == 0
    assert "time was over after" in capsys.readouterr().out


def test_what_was_measured_of_one_model_is_not_stored_with_another(folder, small, monkeypatch, capsys):
    def replace_model(*_, **__):
        scaled(folder, "model.safetensors", 1.01)
        write_checksums(folder)

    monkeypatch.setattr(Sweep, "run", replace_model)
    assert main(["--model", str(folder), "--corpus", str(small), "--strategies", "entropy"]) == 2
    assert "expected the same model" in capsys.readouterr().err
    assert not (folder / "operating_points.json").exists()


@pytest.mark.parametrize("text", ["", "1|t|Nausea.\n1|a|\n", "1|t|Nausea.\n1|a|\n1\t0\t6\tNausea\tDISEASE\t-1\n"])
def test_gold_that_the_dense_pass_does_not_find_chooses_no_operating_points(folder, tmp_path, text, capsys):
    """A corpus of other types, or without entities: every setting would lose nothing."""
    store_points(folder, {"entropy": {"fast": resolve("entropy", 3, {}).to_json()}})
    before = contents(folder)
    (tmp_path / "other.txt").write_text(text)
    options = ["--model", str(folder), "--corpus", str(tmp_path / "other.txt"), "--strategies", "entropy"]
    assert main(options) == 2
    assert re.search(r"expected gold entities of .*other\.txt", capsys.readouterr().err)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("options", "keyword"),
    [
        (["--max-f1-drop", "0.1"], "expected 3 numbers"),
        (["--max-f1-drop", "nan,nan,nan"], "nan,nan,nan"),
        (["--max-f1-drop", "1,0.3,0.1"], "ascending"),
        (["--strategies", "mlp"], "python -m engine.training.controller"),
        (["--minutes", "0"], "--minutes"),
        (["--seed", "-1"], "seed"),
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
