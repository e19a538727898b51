import shutil

import pandas as pd
import pytest

from engine.errors import InputError
from eval.report import SAMPLE
from eval.report import main as report
from eval.seeds import combine, main


@pytest.fixture(scope="module")
def runs(tmp_path_factory, model_folder):
    folders = []
    for name in ("a", "b"):
        out = tmp_path_factory.mktemp(name)
        options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "6", "--batch-size", "4"]
        assert report([*options, "--strategies", "dense,truncate-1,random", "--out", str(out)]) == 0
        folders.append(out)
    return folders


def test_runs_are_averaged_and_losses_have_their_interval(runs, capsys, tmp_path):
    # The second run found one more mention in one document, only under truncate-1.
    table = pd.read_csv(runs[1] / "documents.csv", dtype=str)
    correct, predicted = map(int, table.loc[0, "truncate-1 float32 4 0"].split("/"))
    table.loc[0, "truncate-1 float32 4 0"] = f"{correct + 5}/{predicted + 5}"
    table.to_csv(runs[1] / "documents.csv", index=False)
    combined = combine(runs)
    combined = combined[combined["against"] == "dense"].set_index("strategy")
    assert combined.loc["dense", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    row = combined.loc["truncate-1"]
    assert row["f1_lowest"] < row["f1"] < row["f1_highest"]
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["speedup_lowest"] <= row["speedup"] <= row["speedup_highest"]
    assert main([*map(str, runs), "--out", str(tmp_path / "seeds.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "seeds.csv")) == 3
    assert "| 4 | truncate-1 |" in capsys.readouterr().out


def test_one_run_is_computed_again_from_its_files(runs):
    again, published = combine(runs[:1]), pd.read_csv(runs[0] / "intervals.csv")
    pd.testing.assert_frame_equal(again[list(published)], published, rtol=1e-5, check_dtype=False)


def copied(runs, folder, change):
    """The second run again, its ``documents.csv`` changed."""
    shutil.copytree(runs[1], folder)
    change(pd.read_csv(folder / "documents.csv", dtype=str)).to_csv(folder / "documents.csv", index=False)
    return [runs[0], folder]


def test_all_runs_of_random_count(runs, tmp_path):
    def found_nothing_but_at_first(table):
        return table.assign(**{f"random float32 4 {run}": "0/0" for run in range(1, 5)})

    before = combine([runs[0], runs[0]]).set_index("strategy")
    after = combine([runs[0], *copied(runs, tmp_path / "b", found_nothing_but_at_first)[1:]]).set_index("strategy")
    assert before.loc["random", "f1"] == pytest.approx(pd.read_csv(runs[0] / "results.csv")["f1"].iloc[2])
    assert after.loc["random", "f1_lowest"] < 0.3 * before.loc["random", "f1"]
    low, difference, high = after.loc["random", ["low", "difference", "high"]]
    assert low <= difference <= high


@pytest.mark.parametrize("change", [
    lambda table: table.assign(document=table["document"].replace("sample-02", "other")),
    lambda table: table.sort_values("document", ascending=False),
    lambda table: table[table["document"] != "sample-02"],
])  # fmt: skip
def test_other_documents_are_refused_however_many(runs, tmp_path, change):
    with pytest.raises(InputError, match="the same documents"):
        combine(copied(runs, tmp_path / "b", change))


@pytest.mark.parametrize("column", ["timed_documents", "seed"])
def test_runs_that_timed_other_documents_are_refused(runs, tmp_path, column):
    changed = shutil.copytree(runs[1], tmp_path / "b") / "results.csv"
    table = pd.read_csv(changed)
    table.assign(**{column: table[column] + 1}).to_csv(changed, index=False)
    if column == "seed":  # which draws nothing if all documents are timed
        assert combine([runs[0], changed.parent])["f1"].notna().all()
        some = shutil.copytree(runs[0], tmp_path / "a") / "results.csv"
        for path in (some, changed):
            pd.read_csv(path).assign(timed_documents=3).to_csv(path, index=False)
        runs = [some.parent]
    with pytest.raises(InputError, match="the same --timed and --seed"):
        combine([runs[0], changed.parent])


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "results.csv is missing" in capsys.readouterr().err
    for content in ("", "strategy\ndense\n"):
        (tmp_path / "results.csv").write_text(content)
        assert main([str(tmp_path)]) == 2
        assert "expected runs of eval.report, got others" in capsys.readouterr().err
