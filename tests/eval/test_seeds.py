import shutil

import pandas as pd
import pytest

from engine.errors import InputError
from eval.seeds import average, main

TRUNCATED = "truncate-1 float32 4 0"
PAIR = {"dtype": "float32", "batch_size": 4, "against": "dense", "against_dtype": "float32"}


@pytest.fixture
def second(run, tmp_path):
    """Makes a second run from the first: a function that changes one of its files."""

    def change(name, change):
        folder = tmp_path / "second"
        if not folder.exists():
            shutil.copytree(run.out, folder)
        change(pd.read_csv(folder / f"{name}.csv", dtype=str)).to_csv(folder / f"{name}.csv", index=False)
        return folder

    return change


def found(table, strategy):
    """The row that compares a strategy with dense."""
    (index,) = table.index[(table[list(PAIR)] == pd.Series(PAIR)).all(axis=1) & (table["strategy"] == strategy)]
    return table.loc[index]


def test_runs_are_averaged_and_losses_have_their_interval(run, second, capsys, tmp_path):
    def find_more(table):
        correct, predicted = map(int, table.loc[0, TRUNCATED].split("/"))
        table.loc[0, TRUNCATED] = f"{correct + 5}/{predicted + 5}"
        return table

    other = second("documents", find_more)
    means = average([run.out, other])
    assert found(means, "dense")[["difference", "low", "high"]].tolist() == [0, 0, 0]
    row = found(means, "truncate-1")
    assert row["f1_lowest"] < row["f1"] < row["f1_highest"]
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["speedup_lowest"] <= row["speedup"] <= row["speedup_highest"]
    assert main([str(run.out), str(other), "--out", str(tmp_path / "seeds.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "seeds.csv")) == len(means)
    assert "| 4 | truncate-1 (float32) |" in capsys.readouterr().out


def test_one_run_is_computed_again_from_its_files(run):
    again, published = average([run.out], seed=3), run.table("intervals")
    pd.testing.assert_frame_equal(again[list(published)], published, rtol=1e-5, check_dtype=False)


def test_all_runs_of_random_count(run, second):
    def find_nothing_but_at_first(table):
        return table.assign(**{column: "0/0" for column in table if column.startswith("random ") and column[-1] != "0"})

    before = found(average([run.out, run.out]), "random")
    after = found(average([run.out, second("documents", find_nothing_but_at_first)]), "random")
    table = run.table("results").set_index(["strategy", "dtype", "batch_size"])
    assert before["f1"] == pytest.approx(table.loc[("random", "float32", 4), "f1"])
    assert after["f1_lowest"] < 0.3 * before["f1"]
    assert after["low"] <= after["difference"] <= after["high"]


@pytest.mark.parametrize(("name", "change", "message"), [
    ("documents", lambda table: table.assign(document=table["document"].replace("sample-02", "b")), "same documents"),
    ("documents", lambda table: table.sort_values("document", ascending=False), "same documents"),
    ("documents", lambda table: table[table["document"] != "sample-02"], "same documents"),
    ("results", lambda table: table.assign(timed_documents=4), "same --timed and --seed"),
    ("results", lambda table: table.assign(seed=4), "same --timed and --seed"),
])  # fmt: skip
def test_other_runs_are_refused(run, second, name, change, message):
    with pytest.raises(InputError, match=message):
        average([run.out, second(name, change)])


def test_another_seed_does_not_matter_if_all_documents_are_timed(run, second):
    one = second("results", lambda table: table.assign(timed_documents=6))
    other = shutil.copytree(one, one.with_name("third"))
    second("results", lambda table: table.assign(seed=4))
    assert average([one, other])["f1"].notna().all()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "results.csv is missing"), ("", "got others"), ("strategy\ndense\n", "got others")]
)
def test_a_folder_without_results_is_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "results.csv").write_text(content)
    assert main([str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
