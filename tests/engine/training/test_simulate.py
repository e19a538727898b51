"""Simulated settings cost as much as real ones, and lose as much if words that left are not missed."""

import numpy as np
import pytest
import torch

from engine import load_engine
from engine.pruning.controllers import EntropyController, LearnedController
from engine.pruning.controllers.mlp import Network
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.training.points import Reference, measure
from engine.training.search import SPEEDS, Search
from engine.training.simulate import Simulator, can_simulate
from tests.conftest import TEXT

TEXTS = [TEXT, TEXT[40:120], f"{TEXT} {TEXT}", "Nausea."]


@pytest.fixture(scope="module")
def alone(model_folder):
    """An engine whose words attend to nothing: its values are zero."""
    engine = load_engine(model_folder)
    for layer in engine.model.encoder.layers:
        with torch.no_grad():
            layer.qkv.weight[-engine.encoder.hidden_size :] = 0
            layer.qkv.bias[-engine.encoder.hidden_size :] = 0
    return engine


@pytest.mark.parametrize("context", ["drop", "freeze"])
@pytest.mark.parametrize("thresholds", [(0.3, 0.5), (0.5, 1.0), (0.0, 0.0)])
def test_without_attention_simulated_and_real_runs_are_alike(alone, context, thresholds):
    reference = Reference.agreement(alone, TEXTS)
    strategy = Strategy("entropy", (1, 2), EntropyController(thresholds, 1, True), context=context, min_exit_ratio=0.0)
    simulated, real = Simulator(alone, reference).measure(strategy), measure(alone, reference, strategy)
    assert simulated.counts == real.counts
    assert simulated.cost == real.cost


def test_with_attention_only_labels_that_depend_on_it_differ(engine):
    reference = Reference.agreement(engine, TEXTS)
    strategy = Strategy("entropy", (1,), EntropyController(1.0, exit_entities=True))
    simulated, real = Simulator(engine, reference).measure(strategy), measure(engine, reference, strategy)
    assert simulated.counts == real.counts  # all leave at the first gate: nothing was missing before it
    assert simulated.cost == real.cost
    assert simulated.theoretical_speedup > 2


def test_simulated_networks_cost_what_their_features_of_attention_cost(alone):
    ones = (np.ones((2, 2)), np.zeros(2), np.ones(2), np.zeros(1))
    layers = {gate: tuple(part.astype(np.float32) for part in ones) for gate in (1, 2)}
    alone.network = Network(("entropy", "attention_received"), layers)
    reference = Reference.agreement(alone, TEXTS)
    strategy = Strategy("mlp", (1,), LearnedController(0.9, exit_entities=True), min_exit_ratio=0.0)
    simulated, real = Simulator(alone, reference).measure(strategy), measure(alone, reference, strategy)
    assert simulated.cost.token_layers < simulated.cost.dense_token_layers
    assert simulated.cost == real.cost


def test_what_looks_at_attention_or_recovers_is_not_simulated(engine):
    assert can_simulate(engine.strategy("entropy"))
    assert not can_simulate(engine.strategy("rule"))
    assert not can_simulate(Strategy("entropy+recovery", (1,), EntropyController(), recovery=Recovery()))


def test_of_many_settings_few_run_for_real(engine):
    search = Search(engine, Reference.agreement(engine, TEXTS), (20.0, 40.0, 60.0))
    many = [
        Strategy("entropy", gates, EntropyController(value / 100, exit_entities=True))
        for gates in ((1,), (2,), (1, 2))
        for value in range(1, 100, 2)
    ]
    chosen, *_ = search._ranked(many)
    assert 3 < len(chosen) <= SPEEDS + 1
    speeds = [search._simulator.measure(one) for one in chosen]
    assert all(one.loss(search.reference) <= 60 for one in speeds)
