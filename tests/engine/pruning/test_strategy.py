import json
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, EntropyController, RuleController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import resolve

ENTROPY = Strategy("entropy", (2, 3), EntropyController(max_entropy=0.2, exit_entities=True), "fast")
TRUNCATED = resolve("truncate-3", 6, {})
RULE = {"name": "rule", "gates": [1]}


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy("dense"),
        ENTROPY,
        ENTROPY.with_settings(max_entropy=(0.1, 0.2)),
        Strategy("rule", (1,), RuleController(lambda_=0.5)),
        replace(ENTROPY, recovery=Recovery("confidence")),
        replace(ENTROPY, name="attention", controller=CONTROLLERS["attention"](focus=0.5)),
        TRUNCATED,
    ],
)
def test_json_round_trip(strategy):
    assert Strategy.from_json(json.loads(json.dumps(strategy.to_json()))) == strategy


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Strategy("a", (3, 2), EntropyController()), "gates"),
        (lambda: Strategy("a", (0,), EntropyController()), "gates"),
        (lambda: Strategy("a", "12", EntropyController()), "gates"),
        (lambda: Strategy("a", (2,)), "controller"),
        (lambda: EntropyController(max_entropy=float("nan")), "max_entropy.* a number, 0 to 1"),
        (lambda: EntropyController(max_entropy=10**400), "max_entropy"),
        (lambda: EntropyController(max_entropy=(0.1, 2.0)), "max_entropy"),
        (lambda: EntropyController(max_entropy=()), "max_entropy"),
        (lambda: EntropyController(min_keep_ratio="half"), "min_keep_ratio"),
        (lambda: EntropyController(neighbours=1.5), "whole number"),
        (lambda: EntropyController(exit_entities=5), "true or false"),
        (lambda: Recovery(trigger="never"), "trigger"),
        (lambda: Recovery(recovery_limit=0), "recovery_limit"),
        (lambda: ENTROPY.with_settings(gates=2.5), "gates"),
        (lambda: ENTROPY.with_settings(context="drop"), "context"),
        (lambda: ENTROPY.with_settings(lambda_=1.0), "lambda_"),
        (lambda: TRUNCATED.with_settings(gates=2), "gates"),
        (lambda: resolve("truncate-6", 6, {}), "truncate-5"),
        (lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "no"}}), "'no'"),
        (lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "rule", "tau": 1}}), "tau"),
        (lambda: Strategy.from_json({}), "name"),
        (lambda: Strategy.from_json([1]), "name"),
        (lambda: Strategy.from_json(ENTROPY.to_json() | {"controller": "rule"}), "objects"),
        (lambda: Strategy.from_json(ENTROPY.to_json() | {"max_entropy": 0.5}), "max_entropy"),
    ],
)
def test_wrong_settings_are_refused(make, word):
    with pytest.raises(InputError, match=word):
        make()


def test_what_earlier_versions_stored_is_ignored_where_it_changes_nothing_and_refused_by_name_elsewhere():
    assert Strategy.from_json(ENTROPY.to_json() | {"min_exit_ratio": 0.1}) == ENTROPY
    weights = {"kind": "rule", "lambda": 0.5, "uncertainty": 1.0, "received": 0.0, "entropy": 0.0}
    assert Strategy.from_json(RULE | {"controller": weights}) == Strategy("rule", (1,), RuleController(lambda_=0.5))
    for record, what in (
        (ENTROPY.to_json() | {"min_exit_ratio": 0.3}, "min_exit_ratio=0.3"),
        (RULE | {"controller": weights | {"received": 1.0}}, "received=1.0"),
    ):
        with pytest.raises(InputError, match=f"expected settings of this version, got .*{what}.* not supported"):
            Strategy.from_json(record)


def test_lists_and_numpy_numbers_are_the_same_settings():
    strategy = Strategy(
        "entropy", [np.int64(1), 2], EntropyController(max_entropy=np.float32(0.5), neighbours=np.int64(1))
    )
    assert strategy == Strategy("entropy", (1, 2), EntropyController(max_entropy=0.5, neighbours=1))
    assert hash(strategy) == hash(replace(strategy, gates=iter((1, 2))))
    assert json.dumps(strategy.to_json())


def test_changed_settings_are_no_longer_the_point_they_came_from():
    assert ENTROPY.with_settings(max_entropy=0.3) == Strategy(
        "entropy", (2, 3), EntropyController(max_entropy=0.3, exit_entities=True), "custom"
    )
    assert ENTROPY.with_settings(max_entropy=0.2, gates=[2, 3]) == ENTROPY
