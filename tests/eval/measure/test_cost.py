import subprocess
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from engine.checkpoint import load_weights
from engine.data.corpora import load_corpus
from engine.model import linear
from engine.runs import Log
from engine.tagger import Engine, load_engine
from eval.measure.baselines.base import Baseline
from eval.measure.cost import RESIDENT, cost_rows, count_macs, resident_memory
from eval.measure.measured import collect
from eval.measure.random_exits import RandomExits
from eval.measure.runner import Plan, evaluate
from eval.measure.variants import of_baseline, of_random, of_strategy
from eval.options import SAMPLE
from eval.schema import GMACS, columns
from tests.conftest import TEXT


def rows_of_cost(folder, variants, sizes, documents):
    """The rows of ``cost.csv`` for the first documents of the sample."""
    corpus, log = load_corpus(str(SAMPLE), limit=documents), Log(folder / "log")
    plan = Plan(corpus, variants, sizes, range(documents))
    evaluate(plan, log)
    measured = {size: collect(plan, size, log) for size in sizes}
    return list(cost_rows([document.text for document in corpus.documents], measured, seed=0))


@pytest.fixture(scope="module")
def cost(engine, tmp_path_factory):
    """Values of ``cost.csv`` by strategy, batch size, measure and group."""
    variants = [of_strategy(engine, engine.strategy(name)) for name in ("dense", "truncate-1")]
    variants += [of_random(engine, RandomExits("random@rule", engine.strategy("rule")))]
    silent = Baseline("silent", "float32", "cpu", lambda texts, _: ([()] * len(texts), 0.0), ({},), {})
    rows = rows_of_cost(tmp_path_factory.mktemp("out"), [*variants, of_baseline(silent)], [1, 4], 6)
    table = pd.DataFrame(rows, columns=columns("cost"))
    assert not table.duplicated(["strategy", "batch_size", "measure", "group"]).any()
    return table.set_index(["strategy", "batch_size", "measure", "group"])["value"].sort_index()


def test_torchs_counter_agrees_with_the_formula_but_for_rounded_rows(engine, cost):
    for name in ("dense", "truncate-1"):
        formula, counter = cost[name, 1, "gmacs", "formula"], cost[name, 1, "gmacs", "counter"]
        assert 0.98 * formula < counter < 1.2 * formula
        with patch.object(linear, "PACKABLE", False):
            unrounded = count_macs(engine, [TEXT], engine.strategy(name))
        assert unrounded == pytest.approx(engine.tag(TEXT, name).cost.macs, rel=0.02)
    assert ("random@rule", 1, "gmacs", "counter") not in cost, "it would count what is replayed, too"
    short, long = (count_macs(engine, [TEXT * times], engine.strategy("dense")) for times in (1, 2))
    assert long > 2 * short, "attention counts"


def test_each_layer_says_what_it_computed(cost):
    assert cost["dense", 1, "token_layers"].tolist() == [1, 1, 1]
    assert cost["truncate-1", 4, "token_layers"].tolist() == [1, 0, 0]
    assert 0 < cost["random@rule", 1, "token_layers", "layer 3"] < 1


def test_theoretical_and_measured_speedups_stand_side_by_side_by_length_and_batch_size(cost):
    for size in (1, 4):
        assert cost["dense", size, "measured", "all"] == cost["dense", size, "theoretical", "all"] == 1
        assert cost["truncate-1", size, "theoretical", "all"] > 2
    by_length = cost["truncate-1", 1, "measured"]
    assert len(by_length) > 1
    assert (by_length > 0).all()
    assert np.isnan(cost["truncate-1", 4, "measured_low", "all"]), "two batches have no interval"
    assert set(cost["silent", 1].index.get_level_values("measure")) == {"measured", "measured_low", "measured_high"}


def test_openvinos_layers_are_not_counted_because_torchs_counter_does_not_see_them(quantised_folder, tmp_path):
    engine = load_engine(quantised_folder, "int8")
    rows = rows_of_cost(tmp_path, [of_strategy(engine, engine.strategy("dense"))], [1], 1)
    assert [group for *_, measure, group, _ in rows if measure == GMACS] == ["formula"]


def test_a_fresh_process_says_how_much_it_occupies_and_one_that_fails_nothing(model_folder, cost, monkeypatch):
    assert list(cost["dense", 1, "held_mib"].index) == [RESIDENT]
    engine = Engine(load_weights(model_folder))
    assert 2**26 < resident_memory(engine) < 2**33
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", ""))
    assert resident_memory(engine) is None
