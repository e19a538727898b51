import pandas as pd
import pytest

from engine.tagger import Engine
from eval.measure.components import COMPONENTS, profile, split
from eval.profile import main
from eval.report import SAMPLE
from tests.conftest import TEXT


def test_the_components_of_a_call_add_up_to_it(engine, monkeypatch):
    latencies = []
    tag_batch = Engine.tag_batch

    def timed(*args, **kwargs):
        results = tag_batch(*args, **kwargs)
        latencies.append(results[0].latency.total_ms)
        return results

    monkeypatch.setattr(Engine, "tag_batch", timed)
    monkeypatch.setattr("eval.measure.components.split", split)
    strategies = [engine.strategy(name) for name in ("dense", "entropy+recovery")]
    for strategy in strategies:
        found = split(engine, [TEXT, TEXT * 3], strategy)
        assert sum(found.values()) == pytest.approx(latencies[-1])
        assert min(found.values()) >= 0
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
    assert main([*options, "--strategies", "dense,random"]) == 2


def test_without_documents_there_is_nothing_to_measure(model_folder, tmp_path, capsys):
    (tmp_path / "none.jsonl").write_text("")
    options = ["--model", str(model_folder), "--corpus", str(tmp_path / "none.jsonl")]
    assert main([*options, "--out", str(tmp_path / "out")]) == 2
    assert "expected documents in" in capsys.readouterr().err


def test_strategies_take_turns_and_a_time_is_the_median_over_passes(engine, monkeypatch):
    calls = []

    def split(engine, texts, strategy):
        calls.append(strategy.name)
        return {"layers": (1000.0, 3.0, 1.0, 2.0)[(len(calls) - 1) // 4]}

    monkeypatch.setattr("eval.measure.components.split", split)
    strategies = [engine.strategy(name) for name in ("dense", "entropy")]
    table = pd.DataFrame(profile(engine, [TEXT, TEXT], strategies, batch_size=1))
    assert calls[:8] == ["dense", "entropy", "entropy", "dense", "entropy", "dense", "dense", "entropy"]
    assert table[table["component"] == "layers"]["ms_per_document"].tolist() == [2.0, 2.0]
