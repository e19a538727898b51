import pandas as pd

from eval.measure.components import COMPONENTS, profile, time_components
from eval.options import SAMPLE
from eval.profile import main
from tests.conftest import TEXT


def test_no_component_of_a_call_is_negative_and_recovery_takes_time_where_it_runs(engine):
    for name in ("dense", "entropy+recovery"):
        found = time_components(engine, [TEXT, TEXT * 3], engine.strategy(name))
        assert set(found) <= set(COMPONENTS)
        assert min(found.values()) >= 0
        assert (found["recovery"] > 0) == (name != "dense")


def test_strategies_take_turns_and_a_time_is_the_median_over_passes(engine, monkeypatch):
    calls = []

    def time_components(engine, texts, strategy):
        calls.append(strategy.name)
        return {"layers": (1000.0, 3.0, 1.0, 2.0)[(len(calls) - 1) // 4]}

    monkeypatch.setattr("engine.latency.PASSES", 3)
    monkeypatch.setattr("eval.measure.components.time_components", time_components)
    strategies = [engine.strategy(name) for name in ("dense", "entropy")]
    table = pd.DataFrame(profile(engine, [TEXT, TEXT], strategies, batch_size=1))
    assert calls[:8] == ["dense", "entropy", "entropy", "dense", "entropy", "dense", "dense", "entropy"]
    assert table[table["component"] == "layers"]["ms_per_document"].tolist() == [2.0, 2.0]
    assert table.groupby("strategy")["share"].sum().tolist() == [1, 1]


def test_the_command_prints_and_writes_the_table(model_folder, tmp_path, capsys):
    options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "3"]
    assert main([*options, "--out", str(tmp_path / "profile.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "profile.csv")) == 2 * 2 * len(COMPONENTS)
    assert "ms_per_document" in capsys.readouterr().out
