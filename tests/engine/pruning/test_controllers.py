"""What controllers decide, and the file and features of the learned one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.controllers.mlp import FEATURES, LearnedController, Network, features
from engine.pruning.gate import GateView
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import LayerSignals
from engine.pytorch.packing import RaggedBatch
from engine.tagger import Engine
from engine.text.labels import LabelSet
from tests.conftest import TEXT
from tests.engine.pytorch.test_packing import window

SURE, UNSURE = 0.99, 0.6


def gate(labels: list[int], certainty: list[float], alive: list[bool] | None = None) -> GateView:
    """A gate over one window of one-piece words with these labels (0 outside, 1 begin, 2 inside) and probabilities."""
    batch = RaggedBatch.from_windows([window([1] * len(labels))])
    probabilities = np.repeat((1 - np.array(certainty)) / 2, 3).reshape(-1, 3)
    probabilities[np.arange(len(labels)), labels] = certainty
    here = np.array(alive or [True] * len(labels))
    torch.manual_seed(0)
    rows = LayerSignals(batch, *torch.randn(2, len(batch), 8))
    return GateView(1, 0, batch.words, here, probabilities, LabelSet(("Disease",)), rows)


def exiting(controller, at: GateView) -> list[int]:
    return np.flatnonzero(controller(at).exits).tolist()


def read(controller, at: GateView) -> set[str]:
    """The signals of a gate that a controller reads."""
    controller(at)
    return {"confidence", "entropy"} & vars(at).keys()


CERTAIN = EntropyController(0.2, neighbours=0, exit_entities=True)
HALF = EntropyController(1.0, neighbours=0, exit_entities=True, min_keep_ratio=0.5)
RULE = RuleController(0.0, neighbours=1, min_keep_ratio=0.0)
ONE_UNSURE = [SURE, UNSURE, SURE, SURE, SURE, SURE]


@pytest.mark.parametrize(
    ("controller", "labels", "certainty", "exited"),
    [
        pytest.param(CERTAIN, [0] * 6, ONE_UNSURE, [0, 2, 3, 4, 5], id="certain words exit"),
        pytest.param(EntropyController(0.2, 1), [0] * 6, ONE_UNSURE, [3, 4, 5], id="one beside an uncertain one stays"),
        pytest.param(EntropyController(0.2, 2), [0] * 6, ONE_UNSURE, [4, 5], id="so do two"),
        pytest.param(EntropyController(0.2, 1), [0, 0, 1, 0, 0], [SURE] * 5, [0, 4], id="entities stay"),
        pytest.param(CERTAIN, [0, 0, 1, 0, 0], [SURE] * 5, [0, 1, 2, 3, 4], id="unless they may exit"),
        pytest.param(CERTAIN, [1, 2, 0, 1, 2, 0], [UNSURE, *[SURE] * 5], [2, 3, 4, 5], id="entities exit whole"),
        pytest.param(CERTAIN, [1, 2, 1, 2], [SURE, UNSURE, SURE, SURE], [2, 3], id="beside another"),
        pytest.param(HALF, [0, 1, 2, 0], [0.99, 0.98, 0.97, 0.95], [0], id="the least certain half stays"),
        pytest.param(RULE, [0] * 4 + [1, 0, 0], [*ONE_UNSURE, SURE], [0, 2, 6], id="rule keeps neighbours of entities"),
    ],
)
def test_which_words_exit(controller, labels, certainty, exited):
    assert exiting(controller, gate(labels, certainty)) == exited


@pytest.mark.parametrize("controller", [CERTAIN, RuleController(2.0, min_keep_ratio=0.0)])
@pytest.mark.parametrize("alive", [[True, False, True, True], [False] * 4])
def test_only_words_that_are_alive_exit(controller, alive):
    assert set(exiting(controller, gate([0] * 4, [SURE] * 4, alive))) <= set(np.flatnonzero(alive))


@pytest.mark.parametrize("controller", [CERTAIN, EntropyController(0.2, neighbours=2), RuleController()])
def test_a_controller_names_the_signals_that_it_reads(controller):
    at = gate([0, 1, 0], [SURE, UNSURE, SURE])
    assert controller.signals - {"windowed_entropy"} == read(controller, at)
    assert ("windowed_entropy" in controller.signals) == (controller == EntropyController(0.2, neighbours=2))


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


def test_every_feature_is_a_finite_column_and_only_named_ones_are_computed():
    columns = features(gate([0, 1, 2, 0], [UNSURE, SURE, SURE, 1.0]), tuple(FEATURES))
    assert columns.shape == (4, len(FEATURES))
    assert np.isfinite(columns).all()
    assert (columns.std(0) > 0).all()
    controller = LearnedController(network=network(0.0, names=("entropy", "top_probability")))
    assert controller.signals == read(controller, gate([0, 1], [SURE, SURE]))
    assert features(gate([0, 1], [SURE, SURE]), ("margin",)).shape == (2, 1)


def test_an_engine_decides_with_its_own_network_whoever_made_the_strategy(weights):
    all_exit, all_stay = (Engine(replace(weights, network=network(bias, bias))) for bias in (-20.0, 20.0))
    strategy = all_exit.strategy("mlp", gates=(1, 2), exit_entities=True, max_risk=0.5)
    assert Strategy.from_json(strategy.to_json()) == strategy
    kept = [one.tag(TEXT, strategy).cost.token_layers_kept for one in (all_exit, all_stay)]
    assert kept[0] < kept[1] == 1


def test_networks_survive_their_file_unless_their_features_went(tmp_path):
    before = network(0.5, -0.5)
    before.save(tmp_path / "file")
    after = Network.load(tmp_path / "file")
    at = gate([0, 1, 0], [SURE, UNSURE, SURE])
    assert after.names == before.names
    assert after.risk(at).tolist() == before.risk(at).tolist()
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
