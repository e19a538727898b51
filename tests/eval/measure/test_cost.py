from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from engine.data.corpora import load_corpus
from engine.model import linear
from engine.runs import Log
from eval.measure.components import COMPONENTS
from eval.measure.cost import cost_rows, count_macs, peak_memory
from eval.measure.measured import collect
from eval.measure.random_exits import RandomExits
from eval.measure.runner import Plan, evaluate
from eval.measure.variants import of_plain_model, of_random, of_strategy
from eval.report import SAMPLE
from tests.conftest import TEXT


@pytest.fixture(scope="module")
def cost(engine, tmp_path_factory):
    corpus = load_corpus(str(SAMPLE), limit=6)
    variants = [of_strategy(engine, engine.strategy(name)) for name in ("dense", "truncate-1")]
    variants += [of_plain_model(engine), of_random(engine, RandomExits("random@rule", engine.strategy("rule")))]
    log = Log(tmp_path_factory.mktemp("out") / "log")
    plan = Plan(corpus, variants, [1, 4], range(6))
    evaluate(plan, log)
    measured = {size: collect(plan, size, log) for size in (1, 4)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.measure.cost.peak_memory", peak_memory)
        table = pd.DataFrame(cost_rows([document.text for document in corpus.documents], measured, seed=0))
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


def test_peak_memory_grows_with_the_batch_and_repeats(engine, cost):
    assert 0 < cost["dense", 1, "peak_mib", "tensors"] < cost["dense", 4, "peak_mib", "tensors"]
    once, twice = (peak_memory(engine, [TEXT], engine.strategy("dense")) for _ in range(2))
    assert once == twice


def test_what_an_engine_keeps_stands_beside_its_peak(engine, cost):
    held = cost["dense", 1, "held_mib"]
    assert 0 < held["tensors of linear layers"] < held["tensors of the engine"]


def test_time_is_split_in_calls_of_as_many_texts_as_it_says(engine, tmp_path, monkeypatch):
    calls = []

    def profile(engine, texts, strategies, size):
        calls.append((size, len(texts)))
        return []

    monkeypatch.setattr("eval.measure.cost.profile", profile)
    plan = Plan(load_corpus(str(SAMPLE), limit=1), [of_strategy(engine, engine.strategy("dense"))], [1, 16], range(1))
    log = Log(tmp_path / "log")
    evaluate(plan, log)
    list(cost_rows([TEXT] * 20, {size: collect(plan, size, log) for size in (1, 16)}, 0))
    assert calls == [(1, 8), (16, 16)]


def test_time_is_split_into_all_components(cost):
    assert set(cost["dense", 1, "ms"].index) == set(COMPONENTS)
    assert ("hf", 1, "ms", "layers") not in cost
