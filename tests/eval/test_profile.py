import pandas as pd
import pytest

from eval.measure.components import COMPONENTS, profile
from eval.profile import main
from eval.report import SAMPLE
from tests.conftest import TEXT


def test_the_components_of_a_call_add_up_to_it(engine):
    strategies = [engine.strategy(name) for name in ("dense", "entropy+recovery")]
    table = pd.DataFrame(profile(engine, [TEXT, TEXT * 3], strategies, batch_size=1))
    dense = table["strategy"] == "dense"
    assert (table["ms_per_document"] > 0).eq(~dense | (table["component"] != "recovery")).all()
    assert table.groupby("strategy")["share"].sum().tolist() == pytest.approx([1, 1])
    assert set(table["component"]) == set(COMPONENTS)


def test_the_command_prints_and_writes_the_table(model_folder, tmp_path, capsys):
    options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "3"]
    assert main([*options, "--out", str(tmp_path / "profile.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "profile.csv")) == 2 * 2 * 7
    assert "ms_per_document" in capsys.readouterr().out
    assert main([*options, "--strategies", "hf"]) == 2
