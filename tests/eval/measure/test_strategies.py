"""The strategies that a command line names."""

from argparse import Namespace

import pytest

from eval.measure.strategies import choose_strategies

OPTIONS = {"corpus": "", "point": None, "lambda_": None, "min_keep_ratio": None, "set": []}


@pytest.mark.parametrize(
    ("named", "replayed"),
    [
        ("random", "entropy"),
        ("rule,random", "rule"),
        ("rule+recovery,entropy,random", "rule"),
        ("rule+recovery,random@entropy", "entropy"),
    ],
)
def test_random_replays_the_first_that_prunes_without_its_recovery(engine, named, replayed):
    chosen = {strategy.name: strategy for strategy in choose_strategies(engine, Namespace(strategies=named, **OPTIONS))}
    assert next(iter(chosen)) == "dense"
    random = chosen[named.rpartition(",")[2]]
    assert (random.replays.name, random.replays.recovery) == (replayed, None)
