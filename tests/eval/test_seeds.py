import pandas as pd
import pytest

from eval.report import SAMPLE
from eval.report import main as report
from eval.seeds import combine, main


@pytest.fixture(scope="module")
def runs(tmp_path_factory, model_folder):
    folders = []
    for name in ("a", "b"):
        out = tmp_path_factory.mktemp(name)
        options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "4", "--batch-size", "4"]
        assert report([*options, "--strategies", "dense,truncate-1", "--out", str(out)]) == 0
        folders.append(out)
    return folders


def test_runs_are_averaged_and_losses_have_their_interval(runs, capsys, tmp_path):
    # The second run found one more mention in one document, under truncate-1 alone.
    table = pd.read_csv(runs[1] / "documents.csv")
    changed = (table["strategy"] == "truncate-1") & (table["document"] == table["document"][0])
    table.loc[changed, ["correct", "predicted"]] += 5
    table.to_csv(runs[1] / "documents.csv", index=False)
    combined = combine(runs).set_index("strategy")
    assert combined.loc["dense", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    row = combined.loc["truncate-1"]
    assert row["f1_lowest"] < row["f1"] < row["f1_highest"]
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["speedup_lowest"] <= row["speedup_vs_dense"] <= row["speedup_highest"]
    assert main([*map(str, runs), "--out", str(tmp_path / "seeds.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "seeds.csv")) == 2
    assert "| 4 | truncate-1 |" in capsys.readouterr().out


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "results.csv is missing" in capsys.readouterr().err
