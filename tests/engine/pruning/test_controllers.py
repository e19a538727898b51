import numpy as np
import pytest
import torch

from engine.model.packing import RaggedBatch
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.gate import GateView
from engine.pruning.row_signals import LayerSignals
from engine.text.labels import LabelSet
from tests.engine.model.test_packing import window

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
