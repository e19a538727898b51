import shutil

import pandas as pd
import pytest

from engine.errors import InputError
from eval import report
from eval.seeds import average, main

pytestmark = pytest.mark.usefixtures("one_pixel")

TRUNCATED = "truncate-1 float32 4 0"
PAIR = {"dtype": "float32", "batch_size": 4, "against": "dense", "against_dtype": "float32"}


@pytest.fixture(scope="module")
def first(model_folder, tmp_path_factory):
    """The folder of a report on six documents, five of them timed."""
    out = tmp_path_factory.mktemp("first")
    options = ["--strategies", "random,truncate-1", "--limit", "6", "--timed", "5", "--batch-size", "4", "--seed", "3"]
    options += ["--model", str(model_folder), "--dtype", "float32", "--baselines", "none"]
    assert report.main([*options, "--out", str(out)]) == 0
    return out


def changed(run, out, name, change):
    """A copy of a run in which one file differs."""
    shutil.copytree(run, out)
    change(pd.read_csv(out / f"{name}.csv", dtype=str)).to_csv(out / f"{name}.csv", index=False)
    return out


def found(table, strategy):
    """The row that compares a strategy with dense."""
    (index,) = table.index[(table[list(PAIR)] == pd.Series(PAIR)).all(axis=1) & (table["strategy"] == strategy)]
    return table.loc[index]


def test_runs_are_averaged_and_losses_have_their_interval(first, tmp_path, capsys):
    def find_more(table):
        correct, predicted = map(int, table.loc[0, TRUNCATED].split("/"))
        table.loc[0, TRUNCATED] = f"{correct + 5}/{predicted + 5}"
        return table

    other = changed(first, tmp_path / "other", "documents", find_more)
    means = average([first, other])
    assert found(means, "dense")[["difference", "low", "high"]].tolist() == [0, 0, 0]
    row = found(means, "truncate-1")
    assert row["f1_lowest"] < row["f1"] < row["f1_highest"]
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["speedup_lowest"] <= row["speedup"] <= row["speedup_highest"]
    assert main([str(first), str(other), "--out", str(tmp_path / "seeds.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "seeds.csv")) == len(means)
    assert "| 4 | truncate-1 | dense |" in capsys.readouterr().out


def test_one_run_is_computed_again_from_its_files(first):
    again, published = average([first], seed=3), pd.read_csv(first / "intervals.csv")
    pd.testing.assert_frame_equal(again[list(published)], published, rtol=1e-5, check_dtype=False)


def test_all_runs_of_random_count(first, tmp_path):
    def find_nothing_but_at_first(table):
        return table.assign(**{column: "0/0" for column in table if column.startswith("random ") and column[-1] != "0"})

    other = changed(first, tmp_path / "other", "documents", find_nothing_but_at_first)
    before, after = (found(average([first, run]), "random") for run in (first, other))
    results = pd.read_csv(first / "results.csv").set_index("strategy")
    assert before["f1"] == pytest.approx(results.loc["random", "f1"])
    assert after["f1_lowest"] < 0.3 * before["f1"]
    assert after["low"] <= after["difference"] <= after["high"]


@pytest.mark.parametrize(("name", "change", "message"), [
    ("documents", lambda table: table.assign(document=table["document"].replace("sample-02", "b")), "same documents"),
    ("documents", lambda table: table.sort_values("document", ascending=False), "same documents"),
    ("documents", lambda table: table[table["document"] != "sample-02"], "same documents"),
    ("results", lambda table: table.assign(timed_documents=4), "same --timed and --seed"),
    ("results", lambda table: table.assign(seed=4), "same --timed and --seed"),
])  # fmt: skip
def test_other_runs_are_refused(first, tmp_path, name, change, message):
    with pytest.raises(InputError, match=message):
        average([first, changed(first, tmp_path / "other", name, change)])


def test_another_seed_does_not_matter_if_all_documents_are_timed(first, tmp_path):
    one = changed(first, tmp_path / "one", "results", lambda table: table.assign(timed_documents=6))
    other = changed(one, tmp_path / "other", "results", lambda table: table.assign(seed=4))
    assert average([one, other])["f1"].notna().all()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "results.csv is missing"), ("", "got others"), ("strategy\ndense\n", "got others")]
)
def test_a_folder_without_results_is_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "results.csv").write_text(content)
    assert main([str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
