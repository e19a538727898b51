import json
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.resolve import resolve
from engine.pruning.strategy import Strategy

ENTROPY = Strategy("entropy", (2, 3), EntropyController(0.2, exit_entities=True), "fast")


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy("dense"),
        ENTROPY,
        ENTROPY.with_settings(max_entropy=(0.1, 0.2)),
        Strategy("rule", (1,), RuleController(-0.5)),
        Strategy.random("random", ENTROPY, seed=4),
        ENTROPY.with_settings(min_exit_ratio=0.3, context="freeze"),
        resolve("truncate-3", 6, {}),
    ],
)
def test_json_round_trip(strategy):
    assert Strategy.from_json(json.loads(json.dumps(strategy.to_json()))) == strategy


def test_lambda_is_written_without_underscore():
    assert Strategy("rule", (1,), RuleController(0.5)).to_json()["controller"]["lambda"] == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Strategy("a", (3, 2), EntropyController()), "expected ascending whole numbers from 1 as gates"),
        (lambda: Strategy("a", (0,), EntropyController()), "expected ascending whole numbers from 1 as gates"),
        (lambda: Strategy("a", (True, 2), EntropyController()), "expected ascending whole numbers from 1 as gates"),
        (lambda: Strategy("a", "12", EntropyController()), "expected ascending whole numbers from 1 as gates"),
        (lambda: Strategy("a", (2,)), "expected gates together with a controller"),
        (lambda: EntropyController(max_entropy=1.5), "expected max_entropy as a number between 0 and 1, got 1.5"),
        (lambda: EntropyController(max_entropy=float("nan")), "expected max_entropy"),
        (lambda: EntropyController(max_entropy=10**400), "expected max_entropy"),
        (lambda: EntropyController(min_keep_ratio="half"), "expected min_keep_ratio"),
        (lambda: RuleController(lambda_=9), "expected lambda as a number between -2 and 2, got 9"),
        (lambda: EntropyController(neighbours=1.5), "expected neighbours as a whole number"),
        (lambda: EntropyController(exit_entities=5), "expected exit_entities as true or false"),
        (lambda: EntropyController((0.1, 2.0)), "expected max_entropy as a number between 0 and 1, got 2.0"),
        (lambda: EntropyController(()), "expected max_entropy as a number"),
        (lambda: ENTROPY.with_settings(gates=2.5), "expected ascending whole numbers from 1 as gates"),
        (lambda: resolve("truncate-3", 6, {}).with_settings(gates=2), "expected a setting of truncate-3"),
        (lambda: ENTROPY.with_settings(lambda_=1.0), "expected a setting of entropy out of"),
        (lambda: Strategy("dense").with_settings(gates=(1,)), "expected a setting of dense"),
        (lambda: resolve("truncate-6", 6, {}), "expected truncate-1 to truncate-5"),
        (lambda: resolve("magic", 6, {}), "expected a strategy out of"),
        (
            lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "no"}}),
            "expected a controller",
        ),
        (
            lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "rule", "tau": 1}}),
            "expected settings of rule",
        ),
        (lambda: Strategy.from_json({}), "expected the settings of a strategy with its name, got {}"),
        (lambda: Strategy.from_json([1]), "expected the settings of a strategy with its name"),
        (
            lambda: Strategy.from_json(ENTROPY.to_json() | {"controller": "rule"}),
            "expected controller, recovery and replays as objects",
        ),
        (lambda: Strategy.random("r", ENTROPY, seed="x"), "expected a whole number as seed, got 'x'"),
        (lambda: Strategy.random("r", Strategy.random("s", ENTROPY)), "expected a strategy to replay, got 's'"),
        (
            lambda: Strategy.from_json(ENTROPY.to_json() | {"max_entropy": 0.5}),
            r"expected settings of a strategy out of .*, got \['max_entropy'\]; remove them",
        ),
    ],
)
def test_wrong_settings_are_refused_with_the_range(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_lists_and_numpy_numbers_are_the_same_settings():
    controller = EntropyController(np.float32(0.5), np.int64(1))
    strategy = Strategy("entropy", [np.int64(1), 2], controller)
    assert strategy == Strategy("entropy", (1, 2), EntropyController(0.5, 1))
    assert hash(strategy) == hash(replace(strategy, gates=iter((1, 2))))
    assert Strategy.from_json(json.loads(json.dumps(strategy.to_json()))) == strategy


def test_changed_settings_are_no_longer_the_point_they_came_from():
    assert ENTROPY.with_settings(max_entropy=0.3) == Strategy(
        "entropy", (2, 3), EntropyController(0.3, exit_entities=True), "custom"
    )
    assert ENTROPY.with_settings(max_entropy=0.2, gates=[2, 3]) == ENTROPY


def test_knobs_of_random_are_those_of_the_strategy_that_it_replays():
    random = Strategy.random("random", ENTROPY, seed=4)
    changed = random.with_settings(min_keep_ratio=0.4, gates=(1,), context="freeze")
    replayed = ENTROPY.with_settings(min_keep_ratio=0.4, gates=(1,), context="freeze")
    assert changed == Strategy.random("random", replayed, seed=4)
    assert (changed.gates, changed.context) == ((1,), "freeze")
    assert random.settings() == ENTROPY.settings()
    with pytest.raises(InputError, match="expected a setting of random"):
        random.with_settings(lambda_=1.0)
