import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.checkpoint import load_weights
from engine.checksums import write_checksums
from engine.data.corpora import load_corpus
from engine.model.packing import RaggedBatch
from engine.pruning.controllers import EntropyController
from engine.pruning.forward import forward
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.scoring import Counts, count_matches
from engine.training.recovery import main as choose_recovery
from eval.measure.recovery import RandomRecovery, rows
from eval.recovery import main
from eval.report import SAMPLE
from tests.conftest import TEXT

BASE = Strategy("entropy", (1, 2), EntropyController(0.45, 0, exit_entities=True, min_keep_ratio=0.2), "balanced")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "small.txt"
    path.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:4]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_folder):
    folder = shutil.copytree(model_folder, tmp_path_factory.mktemp("model") / "model")
    (folder / "operating_points.json").write_text(json.dumps({"entropy": {"balanced": BASE.to_json()}}))
    write_checksums(folder)
    return folder


def test_random_recovery_takes_as_many_words_of_as_many_windows_but_others(engine):
    batch = RaggedBatch.from_windows(engine.pieces.windows(TEXT.split()) * 6)
    memory = forward(engine.model, batch, (1, 2), BASE.controller)
    recovery = Recovery("confidence", min_confidence=1.0, recovery_limit=3)
    chosen = recovery.choose(memory)
    draws = [RandomRecovery(**vars(recovery), seed=seed).choose(memory) for seed in range(3)]

    def by_window(words):
        return sorted(np.bincount(batch.words.window[words], minlength=6).tolist())

    assert chosen.any()
    assert all(by_window(words) == by_window(chosen) for words in draws)
    assert all(not memory.alive[words].any() for words in draws)
    assert len({tuple(words.tolist()) for words in (chosen, *draws)}) == 4


def test_settings_are_chosen_stored_and_reported(folder, small, tmp_path, capsys):
    assert choose_recovery(["--model", str(folder), "--corpus", str(small), "--max-f1-drop", "100,100,100"]) == 0
    stored = json.loads((folder / "operating_points.json").read_text())
    assert list(stored) == ["entropy", "entropy+recovery"]
    assert Strategy.from_json(stored["entropy+recovery"]["balanced"]).recovery is not None
    assert main(["--model", str(folder), "--corpus", str(small), "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "recovery.csv")
    assert table["trigger"].tolist() == [*TRIGGERS, "any"]
    assert table["stored"].sum() == 1
    page = (tmp_path / "recovery.md").read_text()
    assert page.count("(stored)") == 1
    assert all(f"{f1:.4f} (" in page for f1 in table["f1_with"])
    assert table.loc[table["stored"], "documents_fired"].item() > 0
    assert ((table["recovered_words"] > 0) == (table["documents_fired"] > 0)).all()
    assert (table["recovered_words_random"] > 0).eq(table["recovered_words"] > 0).all()
    fired = table[table["documents_fired"] > 0]
    assert (fired["macs_share"] > 0).all()
    assert (table["documents_fired"] <= table.set_index("trigger")["documents_fired"]["any"]).all()


def test_recovery_is_compared_with_its_own_gates_without_it(model_folder):
    engine = Engine(load_weights(model_folder))
    own = engine.strategy("entropy+recovery").with_settings(gates=2, max_entropy=0.3, trigger="any")
    points = {"entropy": {"balanced": BASE.to_json()}, "entropy+recovery": {"balanced": own.to_json()}}
    engine.points = points
    corpus = load_corpus(str(SAMPLE), limit=3)
    (*_, row) = rows(engine, corpus, ["entropy"], 0)
    without = replace(own, name="entropy", recovery=None)
    counts = [count_matches(d.entities, engine.tag(d.text, without).entities, corpus.types) for d in corpus.documents]
    assert (row["trigger"], row["stored"]) == ("any", True)
    assert row["f1_without"] == Counts.total(counts).f1
    share = [engine.tag(d.text, without).cost for d in corpus.documents]
    assert engine.tag(TEXT, BASE).cost.rows != engine.tag(TEXT, without).cost.rows
    assert all(one.rows[1] == one.rows[0] for one in share), "no word leaves after layer 1"


def test_default_recovery_is_not_called_stored(folder, small, tmp_path):
    only = shutil.copytree(folder, tmp_path / "model")
    (only / "operating_points.json").write_text(json.dumps({"entropy": {"balanced": BASE.to_json()}}))
    write_checksums(only)
    assert main(["--model", str(only), "--corpus", str(small), "--out", str(tmp_path / "out")]) == 0
    assert pd.read_csv(tmp_path / "out" / "recovery.csv")["stored"].sum() == 0


def test_a_strategy_without_points_is_refused(model_folder, small, capsys):
    assert main(["--model", str(model_folder), "--corpus", str(small)]) == 2
    assert "expected strategies with operating points" in capsys.readouterr().err
    assert choose_recovery(["--model", str(model_folder), "--corpus", str(small)]) == 2
    assert "expected operating points of entropy" in capsys.readouterr().err


def test_a_corpus_without_gold_is_refused_before_anything_runs(folder, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("1|t|Nausea.\n1|a|\n")
    options = ["--model", str(folder), "--corpus", str(tmp_path / "notes.txt"), "--out", str(tmp_path / "out")]
    assert main(options) == 2
    assert "expected documents with gold entities, got none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
