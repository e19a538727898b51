"""A new controller needs no change in the evaluator: the report measures it, and plots it in a style."""

import pandas as pd
import pytest

from engine.pruning.controllers import CONTROLLERS
from eval.render.plots import styles
from eval.report import main
from tests.engine.pruning.test_new_controller import EveryOther


@pytest.mark.usefixtures("one_pixel")
def test_the_report_measures_it_with_its_settings(model_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(CONTROLLERS, EveryOther.kind, EveryOther)
    names = "every-other,every-other+recovery,random@every-other"
    options = ["--model", str(model_folder), "--limit", "1", "--batch-size", "1", "--out", str(tmp_path)]
    options += ["--dtype", "float32", "--baselines", "none"]
    assert main([*options, "--strategies", names, "--set", "every-other.stride=3"]) == 0
    table = pd.read_csv(tmp_path / "results.csv").set_index("strategy")
    assert list(table.index) == ["dense", *names.split(",")]
    assert table["prunes"].tolist() == [False, True, True, False]
    assert table.loc["every-other", "token_layers_kept"] < 1
    assert "every-other" in styles(table.reset_index())
    assert "every-other" in (tmp_path / "report.md").read_text()
