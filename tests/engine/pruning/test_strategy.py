import json
from dataclasses import replace

import numpy as np
import pytest

from engine.cascade import Cascade
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, EntropyController, RuleController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy, resolve
from engine.pruning.strategy_names import StrategyName

ENTROPY = Strategy((2, 3), EntropyController(max_entropy=0.2, exit_entities=True), "fast")
TRUNCATED = resolve(StrategyName("truncate", layer=3), 6, {})
CASCADE = Cascade(small=ENTROPY, threshold=3.5, weight=0.25)


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(),
        ENTROPY,
        ENTROPY.with_settings(max_entropy=(0.1, 0.2)),
        Strategy((1,), RuleController(lambda_=0.5)),
        replace(ENTROPY, recovery=Recovery("confidence")),
        replace(ENTROPY, controller=CONTROLLERS["attention"](focus=0.5)),
        TRUNCATED,
        CASCADE,
    ],
)
def test_json_round_trip(strategy):
    assert type(strategy).from_json(json.loads(json.dumps(strategy.to_json()))) == strategy


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Strategy((3, 2), EntropyController()), "Gates .* not"),
        (lambda: Strategy((0,), EntropyController()), "Gates .* not"),
        (lambda: Strategy("12", EntropyController()), "Gates .* not"),
        (lambda: Strategy((2,)), "controller"),
        (lambda: EntropyController(max_entropy=float("nan")), "max_entropy.* a number, 0 to 1"),
        (lambda: EntropyController(max_entropy=()), "max_entropy"),
        (lambda: Recovery(trigger="never"), "trigger"),
        (lambda: Recovery(recovery_limit=0), "recovery_limit"),
        (lambda: ENTROPY.with_settings(gates=2.5), "Gates .* not"),
        (lambda: ENTROPY.with_settings(context="drop"), "context"),
        (lambda: ENTROPY.with_settings(lambda_=1.0), "no setting lambda"),
        (lambda: TRUNCATED.with_settings(gates=2), "gates"),
        (lambda: resolve(StrategyName("truncate", layer=6), 6, {}), "truncate-6 .* 1 to 5"),
        (lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "no"}}), "'no'"),
        (lambda: Strategy.from_json({"name": "a", "gates": [1], "controller": {"kind": "rule", "tau": 1}}), "tau"),
        (lambda: Strategy.from_json({}), "name"),
        (lambda: Strategy.from_json([1]), "name"),
        (lambda: Strategy.from_json(ENTROPY.to_json() | {"controller": "rule"}), "objects"),
        (lambda: Strategy.from_json(ENTROPY.to_json() | {"max_entropy": 0.5}), "no entry max_entropy"),
        (lambda: Cascade.from_json(CASCADE.to_json() | {"threshold": -1}), "threshold must be a number"),
        (lambda: Cascade.from_json(CASCADE.to_json() | {"small": None}), "not None"),
        (lambda: Cascade.from_json(CASCADE.to_json() | {"large": {}}), "no entry large"),
    ],
)
def test_wrong_settings_are_refused(make, word):
    with pytest.raises(InputError, match=word):
        make()


def test_lists_and_numpy_numbers_are_the_same_settings():
    strategy = Strategy([np.int64(1), 2], EntropyController(max_entropy=np.float32(0.5), neighbours=np.int64(1)))
    assert strategy == Strategy((1, 2), EntropyController(max_entropy=0.5, neighbours=1))
    assert hash(strategy) == hash(replace(strategy, gates=iter((1, 2))))
    assert json.dumps(strategy.to_json())


def test_changed_settings_are_no_longer_the_point_they_came_from():
    assert ENTROPY.with_settings(max_entropy=0.3) == Strategy(
        (2, 3), EntropyController(max_entropy=0.3, exit_entities=True)
    )
    assert ENTROPY.with_settings(max_entropy=0.2, gates=[2, 3]) == ENTROPY


@pytest.mark.parametrize(
    ("strategy", "name", "title"),
    [
        (Strategy(), "dense", "dense"),
        (TRUNCATED, "truncate-3", "truncate-3"),
        (ENTROPY, "entropy", "entropy:fast"),
        (replace(ENTROPY, recovery=Recovery()), "entropy+recovery", "entropy+recovery:fast"),
        (ENTROPY.with_settings(max_entropy=0.3), "entropy", "entropy"),
        (Cascade(small=ENTROPY, point="careful"), "cascade", "cascade:careful"),
    ],
)
def test_its_name_follows_from_what_it_does_and_its_title_adds_the_point(strategy, name, title):
    assert (strategy.name, strategy.title, strategy.to_json()["name"]) == (name, title, name)
