"""Rules 1 and 6: keeping everything equals dense, and every setting matters."""

import numpy as np
import pytest
import torch

from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.controllers.mlp import LearnedController
from engine.pruning.gate import Decision
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import run
from engine.pytorch.packing import RaggedBatch
from tests.engine.pruning.test_controllers import network

LEARNED = LearnedController(0.6, network=network(1.0, 1.0, names=("entropy",)))


def computed(memory) -> list[tuple[int, ...]]:
    """Rows of each window in each layer that ran."""
    return [layer.rows for layer in memory.layers]


@torch.no_grad()
@pytest.mark.parametrize(
    "controller",
    [
        EntropyController(max_entropy=0.0),
        RuleController(min_keep_ratio=1.0),
        EntropyController(1.0, min_keep_ratio=1.0),
    ],
)
def test_a_strategy_that_keeps_everything_equals_dense(engine, batch, controller):
    memory = run(engine.model, batch, Strategy("any", (1, 2), controller))
    dense = run(engine.model, batch, Strategy("dense"))
    assert memory.layers == dense.layers
    np.testing.assert_allclose(memory.probabilities, dense.probabilities, atol=1e-4)


@torch.no_grad()
def test_rows_really_go_and_a_finished_window_has_none(engine, batch):
    memory = run(engine.model, batch, Strategy("all", (1,), EntropyController(1.0, exit_entities=True)))
    assert computed(memory) == [batch.lengths]
    assert (memory.exit_at == 1).all()
    controller = EntropyController(1.0, exit_entities=True, min_keep_ratio=0.5)
    memory = run(engine.model, batch, Strategy("half", (1,), controller))
    assert all(0 < after < before for before, after in zip(*computed(memory)[:2], strict=True) if before > 3)


@torch.no_grad()
@pytest.mark.parametrize(("ratio", "exiting", "exited"), [(0.1, 2, 0), (0.1, 3, 3), (0.0, 2, 2), (0.5, 14, 0)])
def test_a_window_keeps_all_its_words_if_too_few_would_exit(engine, ratio, exiting, exited):
    class Few:
        kind = "few"

        def __call__(self, gate):
            return Decision(np.arange(len(gate.words)) < exiting, np.zeros(len(gate.words)))

    batch = RaggedBatch.from_windows(engine.pieces.windows(["nausea"] * 30))
    memory = run(engine.model, batch, Strategy("few", (1,), Few(), min_exit_ratio=ratio))
    assert int((memory.exit_at == 1).sum()) == exited


@torch.no_grad()
@pytest.mark.parametrize(
    ("controller", "setting", "value"),
    [
        (EntropyController(0.5), "gates", 2),
        (EntropyController(0.4), "max_entropy", 0.6),
        (EntropyController(0.4), "neighbours", 0),
        (EntropyController(0.6), "exit_entities", True),
        (EntropyController(0.6, 0), "min_keep_ratio", 0.9),
        (EntropyController(0.4, 0), "min_exit_ratio", 0.9),
        (RuleController(0.5), "lambda_", -0.5),
        (RuleController(0.5, neighbours=0), "neighbours", 2),
        (RuleController(2.0, min_keep_ratio=0.0), "min_keep_ratio", 0.9),
        (LEARNED, "max_risk", 0.65),
        (LEARNED, "exit_entities", True),
        (LEARNED, "min_keep_ratio", 0.9),
    ],
)
def test_every_setting_changes_which_words_exit(engine, batch, controller, setting, value):
    strategy = Strategy("any", (1, 2), controller)
    before = run(engine.model, batch, strategy).exit_at
    after = run(engine.model, batch, strategy.with_settings(**{setting: value})).exit_at
    assert before.tolist() != after.tolist()


@torch.no_grad()
def test_each_gate_may_have_its_own_threshold(engine, batch):
    def exited(*thresholds: float) -> list[int]:
        controller = EntropyController(thresholds, neighbours=0, exit_entities=True)
        return run(engine.model, batch, Strategy("entropy", (1, 2), controller)).exit_at.tolist()

    assert exited(0.4) == exited(0.4, 0.4)
    assert 1 not in exited(0.0, 0.4)
    assert 2 in exited(0.0, 0.4)
    assert set(exited(0.4, 1.0)) == {1, 2}


@torch.no_grad()
@pytest.mark.parametrize("floor", [0.25, 0.5, 0.8])
def test_min_keep_ratio_is_the_share_of_words_alive_after_the_last_gate(engine, batch, floor):
    controller = EntropyController(1.0, neighbours=0, exit_entities=True, min_keep_ratio=floor)
    memory = run(engine.model, batch, Strategy("entropy", (1, 2), controller))
    alive = np.bincount(batch.words.window[memory.alive], minlength=len(batch.lengths))
    wanted = np.ceil(batch.words.counts * floor)
    assert (alive >= wanted).all()
    assert alive.sum() <= wanted.sum() + len(batch.lengths)  # an entity of several words stays whole
