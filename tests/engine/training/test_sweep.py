"""Which settings are tried, measured and chosen; and what is predicted of them from one dense pass."""

from dataclasses import replace

import numpy as np
import pytest

from engine import Engine
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.strategy import Strategy
from engine.settings import settings_of
from engine.training import sweep as sweeping
from engine.training.dense_pass import DensePass
from engine.training.options import by_point
from engine.training.points import choose
from engine.training.sweep import gate_sets, grid, search, sweep
from engine.training.trials import Reference, measure
from tests.engine.training.corpora import made_up

LIMITS = by_point((5.0, 20.0, 60.0), "limits")
LONG = " ".join(made_up(40))  # several windows


@pytest.fixture(scope="module")
def outputs(engine) -> DensePass:
    return DensePass.of(engine, Reference.of(engine, [*made_up(60), LONG]))


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(),
        Strategy((1,), EntropyController(0.3, exit_entities=True)),
        Strategy((1, 2), EntropyController((0.3, 0.7), neighbours=0, exit_entities=True)),
        Strategy((1, 2), EntropyController((0.2, 1.0), exit_entities=True)),
    ],
)
def test_what_is_predicted_of_a_setting_is_near_what_it_does(strategy, outputs, engine):
    predicted, measured = outputs.predict(strategy), measure(engine, outputs.reference, strategy)
    exact = len(strategy.gates) < 2  # up to the second gate, no row has been removed
    close = {"rel": 1e-9} if exact else {"rel": 0.1}
    assert predicted.cost.macs == pytest.approx(measured.cost.macs, **close)
    assert predicted.cost.dense_macs == measured.cost.dense_macs
    assert predicted.cost.dense_token_layers == measured.cost.dense_token_layers
    assert predicted.cost.token_layers == pytest.approx(measured.cost.token_layers, **close)
    assert predicted.f1 == pytest.approx(measured.f1, abs=0.1)
    if not strategy.gates:
        assert predicted.counts == measured.counts


def test_recovery_is_predicted_to_cost_more_and_to_lose_less(outputs):
    plain = Strategy((1,), EntropyController(0.5, exit_entities=True))
    recovering = replace(plain, recovery=Recovery()).with_settings(min_confidence=1.0)
    without, having = map(outputs.predict, (plain, recovering))
    assert having.recovered > without.recovered == 0
    assert having.cost.macs > without.cost.macs
    assert having.loss <= without.loss


def test_operating_points_are_near_the_best_of_the_whole_grid(outputs, engine):
    rows = sweep(outputs, "entropy", LIMITS)
    assert any(row.reached for row in rows)
    tried = search(outputs, "entropy")
    assert len({*(trial.strategy for trial in tried)}) == len(tried) > 50
    best = choose([measure(engine, outputs.reference, trial.strategy) for trial in tried], LIMITS)
    for row, fastest in zip(rows, best, strict=True):
        if row.reached:
            assert row.trial.cost.theoretical_speedup > 0.8 * fastest.trial.cost.theoretical_speedup
            assert row.trial.loss_bound <= row.limit


def test_stored_settings_are_measured_beside_the_grid(outputs, engine, monkeypatch):
    stored = Strategy((2,), EntropyController(0.3, exit_entities=True), "fast")
    monkeypatch.setattr(engine, "points", {"entropy": {"fast": stored}})
    monkeypatch.setattr(sweeping, "frontier", lambda trials: [])
    assert {row.trial.strategy.gates for row in sweep(outputs, "entropy", LIMITS)} == {(2,)}


def test_recovery_is_tried_with_every_trigger(outputs):
    tried = search(outputs, "entropy+recovery")
    assert {trial.strategy.name for trial in tried} == {"entropy+recovery"}
    assert {trial.strategy.recovery.trigger for trial in tried} == {*TRIGGERS}


@pytest.mark.parametrize("layers", [2, 3, 6, 12, 24])
def test_gates_fit_every_depth(layers):
    for gates in gate_sets(layers):
        assert 0 < gates[0] <= gates[-1] < layers
        assert list(gates) == sorted({*gates})
    assert layers < 6 or any(len(gates) > 2 for gates in gate_sets(layers))


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_the_grid_of_every_controller_spans_the_range_of_what_drives_it(kind, engine, monkeypatch):
    monkeypatch.setattr(Engine, "strategy", lambda _, strategy: strategy)  # without a network
    driving = settings_of(CONTROLLERS[kind])[0]
    values = [strategy.settings()[driving.name] for strategy in grid(engine, kind)]
    numbers = np.concatenate([np.atleast_1d(value) for value in values])
    assert (numbers.min(), numbers.max()) == (pytest.approx(driving.low, abs=0.01), pytest.approx(driving.high))
