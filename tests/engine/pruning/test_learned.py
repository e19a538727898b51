"""The learned controller: features, the network's file, and what it decides."""

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.pruning.controllers.mlp import FEATURES, LearnedController, Network, features
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from tests.conftest import TEXT
from tests.engine.pruning.test_controllers import SURE, UNSURE, exiting, gate, read

NAMES = ("entropy", "windowed_entropy")


def network(*bias: float, names: tuple[str, ...] = NAMES) -> Network:
    """Networks of gates 1, 2, … whose risk grows with the last feature."""
    inner = np.zeros((len(names), 1), dtype=np.float32)
    inner[-1] = 1.0
    one = np.ones(1, dtype=np.float32)
    return Network(names, {number: (inner, 20 * one, one, one * (b - 20)) for number, b in enumerate(bias, start=1)})


def mlp(max_risk: float, *bias: float, **settings) -> LearnedController:
    return LearnedController(max_risk, network=network(*bias), **settings)


def test_words_exit_whose_label_is_unlikely_to_change_and_the_riskiest_are_the_minimum_that_stays():
    at = gate([0, 0, 0, 1, 2, 0, 0], [SURE, UNSURE, SURE, SURE, SURE, SURE, SURE])
    assert exiting(mlp(0.2, 0.0, exit_entities=True), at) == [3, 4, 5, 6]
    assert exiting(mlp(0.2, 0.0), at) == [6]
    assert exiting(mlp(0.0, 0.0), at) == []
    assert exiting(mlp(1.0, 0.0, exit_entities=True), at) == list(range(7))
    assert exiting(mlp(1.0, 0.0, exit_entities=True, min_keep_ratio=0.4), at) == [3, 4, 5, 6]


def test_every_feature_is_a_finite_column():
    columns = features(gate([0, 1, 2, 0], [UNSURE, SURE, SURE, 1.0]), tuple(FEATURES))
    assert columns.shape == (4, len(FEATURES))
    assert np.isfinite(columns).all()
    assert (columns.std(0) > 0).all()


def test_only_named_features_are_computed():
    controller = LearnedController(network=network(0.0, names=("entropy", "top_probability")))
    assert controller.signals == read(controller, gate([0, 1], [SURE, SURE]))
    assert features(gate([0, 1], [SURE, SURE]), ("margin",)).shape == (2, 1)


def test_an_engine_decides_with_its_own_network_whoever_made_the_strategy(weights):
    all_exit, all_stay = (Engine(replace(weights, network=network(bias, bias))) for bias in (-20.0, 20.0))
    strategy = all_exit.strategy("mlp", gates=(1, 2), exit_entities=True, max_risk=0.5)
    assert Strategy.from_json(strategy.to_json()) == strategy
    kept = [one.tag(TEXT, strategy).cost.token_layers_kept for one in (all_exit, all_stay)]
    assert kept[0] < kept[1] == 1


def test_networks_survive_their_file(tmp_path):
    before = network(0.5, -0.5)
    before.save(tmp_path / "file")
    after = Network.load(tmp_path / "file")
    at = gate([0, 1, 0], [SURE, UNSURE, SURE])
    assert after.names == before.names
    assert after.risk(at).tolist() == before.risk(at).tolist()


def test_rejects_networks_of_features_that_went(tmp_path):
    network(0.0, names=("entropy", "attention_received")).save(tmp_path / "file")
    with pytest.raises(InputError, match=r"attention_received.*again with python -m engine\.training\.controller"):
        Network.load(tmp_path / "file")


def test_a_model_without_networks_or_one_for_a_gate_is_refused(engine):
    with pytest.raises(InputError, match=r"python -m engine\.training\.controller --model"):
        engine.tag(TEXT, "mlp")
    with pytest.raises(InputError, match="expected a model with a learned controller"):
        engine.tag(TEXT, Strategy("mlp", (1,), mlp(0.1, 0.0)))
    with pytest.raises(InputError, match=r"gates \[\] for mlp, got 1"):
        network().risk(gate([0], [SURE]))
