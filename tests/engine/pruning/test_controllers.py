"""What controllers decide, and the file and features of the learned one."""

from dataclasses import replace

import numpy as np
import pytest

from engine.base import Engine
from engine.errors import InputError
from engine.models.folder import read_folder
from engine.models.network_file import read_network, write_network
from engine.pruning.controllers import CONTROLLERS, Controller, EntropyController, RuleController
from engine.pruning.controllers.mlp import FEATURES, LearnedController, Network
from engine.pruning.gate import ArrayGate, Words
from engine.pruning.signals import attention_of
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet
from tests.conftest import TEXT

SURE, UNSURE = 0.99, 0.6


def gate(labels, certainty, alive=None, controller: Controller | None = None, attention=None) -> ArrayGate:
    """A gate over one window of one-piece words with these labels (0 outside, 1 begin, 2 inside) and probabilities."""
    words, rng = len(labels), np.random.default_rng(0)
    probabilities = np.repeat((1 - np.array(certainty)) / 2, 3).reshape(-1, 3).astype(np.float32)
    probabilities[np.arange(words), labels] = certainty
    if attention is None:
        attention = rng.dirichlet(np.ones(words + 2), size=words + 2)
    entropy, received = attention_of(attention, np.array([-1, *range(words), -1]))
    return ArrayGate(
        1,
        0,
        Words.of([words]),
        np.array([True] * words if alive is None else alive),
        probabilities,
        LabelSet(("Disease",)),
        numbers=controller.numbers(0) if controller else {},
        layer_signals={"change": rng.random(words), "attention_entropy": entropy, "received": received},
    )


def exiting(controller, labels, certainty, **at) -> list[int]:
    return np.flatnonzero(controller.decide(gate(labels, certainty, controller=controller, **at)).exits).tolist()


CERTAIN = EntropyController(max_entropy=0.2, neighbours=0, exit_entities=True)
HALF = EntropyController(max_entropy=1.0, neighbours=0, exit_entities=True, min_keep_ratio=0.5)
RULE = RuleController(lambda_=0.0, neighbours=1, min_keep_ratio=0.0)
ONE_UNSURE = [SURE, UNSURE, SURE, SURE, SURE, SURE]


def beside(neighbours: int) -> EntropyController:
    return EntropyController(max_entropy=0.2, neighbours=neighbours)


@pytest.mark.parametrize(
    ("controller", "labels", "certainty", "exited"),
    [
        pytest.param(CERTAIN, [0] * 6, ONE_UNSURE, [0, 2, 3, 4, 5], id="certain words exit"),
        pytest.param(beside(1), [0] * 6, ONE_UNSURE, [3, 4, 5], id="one beside an uncertain one stays"),
        pytest.param(beside(2), [0] * 6, ONE_UNSURE, [4, 5], id="so do two"),
        pytest.param(beside(1), [0, 0, 1, 0, 0], [SURE] * 5, [0, 4], id="entities stay"),
        pytest.param(CERTAIN, [0, 0, 1, 0, 0], [SURE] * 5, [0, 1, 2, 3, 4], id="unless they may exit"),
        pytest.param(CERTAIN, [1, 2, 0, 1, 2, 0], [UNSURE, *[SURE] * 5], [2, 3, 4, 5], id="entities exit whole"),
        pytest.param(CERTAIN, [1, 2, 1, 2], [SURE, UNSURE, SURE, SURE], [2, 3], id="beside another"),
        pytest.param(HALF, [0, 1, 2, 0], [0.99, 0.98, 0.97, 0.95], [0], id="the least certain half stays"),
        pytest.param(RULE, [0] * 4 + [1, 0, 0], [*ONE_UNSURE, SURE], [0, 2, 6], id="rule keeps neighbours of entities"),
        pytest.param(CERTAIN, [0] * 30, [SURE] * 2 + [UNSURE] * 28, [], id="too few would exit"),
        pytest.param(CERTAIN, [0] * 30, [SURE] * 3 + [UNSURE] * 27, [0, 1, 2], id="a tenth is enough"),
    ],
)
def test_which_words_exit(controller, labels, certainty, exited):
    assert exiting(controller, labels, certainty) == exited


@pytest.mark.parametrize("weight", ["focus", "received", "uncertainty"])
def test_attention_keeps_words_that_attend_to_few_receive_much_or_are_uncertain(weight):
    """Word 0 attends to itself alone, word 1 receives most, word 2 is uncertain."""
    attention = np.full((8, 8), 0.1)
    attention[1, 1] = 8
    attention[3:7, 2] = 1
    weights = dict.fromkeys(("focus", "received", "uncertainty"), 0.0) | {weight: 1.0}
    controller = CONTROLLERS["attention"](neighbours=0, min_keep_ratio=0.0, lambda_=1.5, **weights)
    certainty = [SURE, SURE, UNSURE, SURE, SURE, SURE]
    kept = {"focus": 0, "received": 1, "uncertainty": 2}[weight]
    assert exiting(controller, [0] * 6, certainty, attention=attention) == [word for word in range(6) if word != kept]


@pytest.mark.parametrize("controller", [CERTAIN, RuleController(lambda_=2.0, min_keep_ratio=0.0)])
@pytest.mark.parametrize("alive", [[True, False, True, True], [False] * 4])
def test_only_words_that_are_alive_exit(controller, alive):
    assert set(exiting(controller, [0] * 4, [SURE] * 4, alive=alive)) <= set(np.flatnonzero(alive))


def network(*bias: float, names: tuple[str, ...] = ("entropy", "windowed_entropy")) -> Network:
    """Networks of gates 1, 2, … whose risk grows with the last feature."""
    inner = np.zeros((len(names), 1), dtype=np.float32)
    inner[-1] = 1.0
    unit = np.ones(1, dtype=np.float32)
    return Network(names, {number: (inner, 20 * unit, unit, unit * (b - 20)) for number, b in enumerate(bias, start=1)})


def mlp(max_risk: float, *bias: float, **settings) -> LearnedController:
    return LearnedController(max_risk=max_risk, network=network(*bias), **settings)


def test_words_exit_whose_label_is_unlikely_to_change_and_the_riskiest_are_the_minimum_that_stays():
    at = [0, 0, 0, 1, 2, 0, 0], [SURE, UNSURE, SURE, SURE, SURE, SURE, SURE]
    assert exiting(mlp(0.2, 0.0, exit_entities=True), *at) == [3, 4, 5, 6]
    assert exiting(mlp(0.2, 0.0), *at) == [6]
    assert exiting(mlp(0.0, 0.0), *at) == []
    assert exiting(mlp(1.0, 0.0, exit_entities=True), *at) == list(range(7))
    assert exiting(mlp(1.0, 0.0, exit_entities=True, min_keep_ratio=0.4), *at) == [3, 4, 5, 6]


def test_every_feature_is_finite_and_a_controller_names_what_it_reads():
    at = gate([0, 1, 2, 0], [UNSURE, SURE, SURE, 1.0])
    columns = np.stack([feature(at) for feature in FEATURES.values()])
    assert columns.shape == (len(FEATURES), 4)
    assert np.isfinite(columns).all()
    assert (columns.std(1) > 0).all()
    assert (CERTAIN.signals, RULE.signals) == ({"entropy"}, {"confidence"})
    assert beside(1).signals == {"entropy", "windowed_entropy"}
    names = ("entropy", "change", "received")
    assert LearnedController(network=network(0.0, names=names)).signals == set(names)
    assert CONTROLLERS["attention"]().signals >= {"attention_entropy", "received"}


def test_an_engine_decides_with_its_own_network_whoever_made_the_strategy(model_folder):
    folder = read_folder(model_folder)
    all_exit, all_stay = (
        Engine(replace(folder, networks={"mlp": network(bias, bias)}), "float32") for bias in (-20.0, 20.0)
    )
    strategy = all_exit.strategy("mlp", gates=(1, 2), exit_entities=True, max_risk=0.5)
    assert Strategy.from_json(strategy.to_json()) == strategy
    kept = [engine.tag(TEXT, strategy).cost.token_layers_kept for engine in (all_exit, all_stay)]
    assert kept[0] < kept[1] == 1


def test_networks_survive_their_file_unless_their_features_went(tmp_path):
    before = network(0.5, -0.5)
    write_network(tmp_path / "file", before)
    after = read_network(tmp_path / "file")
    at = gate([0, 1, 0], [SURE, UNSURE, SURE])
    assert after.names == before.names
    assert after.risk(at).tolist() == before.risk(at).tolist()
    write_network(tmp_path / "file", network(0.0, names=("entropy", "attention_received")))
    with pytest.raises(InputError, match=r"attention_received.*again with bioner controller"):
        read_network(tmp_path / "file")


def test_a_model_without_networks_or_one_for_a_gate_is_refused(engine):
    with pytest.raises(InputError, match=r"bioner controller --model"):
        engine.tag(TEXT, "mlp")
    with pytest.raises(InputError, match="no learned controller"):
        engine.tag(TEXT, Strategy((1,), mlp(0.1, 0.0)))
    with pytest.raises(InputError, match=r"gate 1, only for \[\]"):
        network().risk(gate([0], [SURE]))
