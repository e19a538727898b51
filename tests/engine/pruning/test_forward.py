"""Rules 1 and 6: keeping everything equals dense, and every setting matters."""

from itertools import chain, pairwise

import numpy as np
import pytest

from engine.pruning.controllers import CONTROLLERS, EntropyController, RuleController
from engine.pruning.controllers.mlp import LearnedController
from engine.pruning.strategy import Strategy
from tests.engine.pruning.test_controllers import network

AttentionController = CONTROLLERS["attention"]
LEARNED = LearnedController(max_risk=0.6, network=network(1.0, 1.0, names=("entropy",)))
ATTENTION = AttentionController(lambda_=0.5, neighbours=0)


def exits(records) -> list[int]:
    return list(chain.from_iterable(record.exit_at.tolist() for record in records))


@pytest.mark.parametrize(
    "controller",
    [
        EntropyController(max_entropy=0.0),
        RuleController(min_keep_ratio=1.0),
        AttentionController(min_keep_ratio=1.0),
        EntropyController(max_entropy=1.0, min_keep_ratio=1.0),
    ],
    ids=str,
)
def test_a_strategy_that_keeps_everything_equals_dense(run, controller):
    for record, dense in zip(run(Strategy((1, 2), controller)), run(Strategy()), strict=True):
        assert record.rows == dense.rows
        np.testing.assert_allclose(record.probabilities, dense.probabilities, atol=1e-4)


def test_rows_really_go_but_for_cls_and_sep(run, windows):
    every, half = (EntropyController(max_entropy=1.0, exit_entities=True, min_keep_ratio=share) for share in (0.0, 0.5))
    for record, window in zip(run(Strategy((1,), every)), windows, strict=True):
        assert record.rows == [(1, len(window.input_ids))]
        assert (record.exit_at == 1).all()
    for record in run(Strategy((1,), half)):
        (_, before), *after = record.rows
        assert all(2 < rows < before or len(record.exit_at) < 3 for _, rows in after)


@pytest.mark.parametrize(
    ("controller", "setting", "value"),
    [
        (EntropyController(max_entropy=0.5), "gates", 2),
        (EntropyController(max_entropy=0.4), "max_entropy", 0.6),
        (EntropyController(max_entropy=0.4), "neighbours", 0),
        (EntropyController(max_entropy=0.6), "exit_entities", True),
        (EntropyController(max_entropy=0.6, neighbours=0), "min_keep_ratio", 0.9),
        (RuleController(lambda_=0.5), "lambda_", -0.5),
        (RuleController(lambda_=0.5, neighbours=0), "neighbours", 2),
        (RuleController(lambda_=2.0, min_keep_ratio=0.0), "min_keep_ratio", 0.9),
        (LEARNED, "max_risk", 0.65),
        (LEARNED, "exit_entities", True),
        (LEARNED, "min_keep_ratio", 0.9),
        *((ATTENTION, name, 0.0) for name in ("focus", "received", "uncertainty")),
        (ATTENTION, "lambda_", -0.5),
        (ATTENTION, "neighbours", 2),
        (ATTENTION, "min_keep_ratio", 0.9),
    ],
    ids=str,
)
def test_every_setting_changes_which_words_exit(run, controller, setting, value):
    strategy = Strategy((1, 2), controller)
    assert exits(run(strategy)) != exits(run(strategy.with_settings(**{setting: value})))


def test_each_gate_may_have_its_own_threshold(run):
    def exited(*thresholds: float) -> list[int]:
        controller = EntropyController(max_entropy=thresholds, neighbours=0, exit_entities=True)
        return exits(run(Strategy((1, 2), controller)))

    assert exited(0.4) == exited(0.4, 0.4)
    assert 1 not in exited(0.0, 0.4)
    assert 2 in exited(0.0, 0.4)
    assert set(exited(0.4, 1.0)) == {1, 2}


@pytest.mark.parametrize("floor", [0.25, 0.5, 0.8])
def test_min_keep_ratio_is_the_share_of_words_alive_after_the_last_gate(run, floor):
    controller = EntropyController(max_entropy=1.0, neighbours=0, exit_entities=True, min_keep_ratio=floor)
    records = run(Strategy((1, 2), controller))
    alive = np.array([(~record.exited).sum() for record in records])
    wanted = np.ceil([len(record.exited) * floor for record in records])
    assert (alive >= wanted).all()
    assert alive.sum() <= wanted.sum() + len(records)  # an entity of several words stays whole


def test_lambda_prunes_strictly_more_over_its_range(run):  # rule 6
    rules = (RuleController(lambda_=at, min_keep_ratio=0.0, neighbours=0) for at in (-2.0, -1.0, 0.0, 1.0, 2.0))
    kept = [sum(rows for record in run(Strategy((1, 2), rule)) for _, rows in record.rows) for rule in rules]
    assert all(more > less for more, less in pairwise(kept)), kept
