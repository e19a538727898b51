"""A strategy's name: its parts, and what it resolves to."""

import re
from dataclasses import replace

import pytest

from engine.errors import InputError
from engine.pruning import strategy
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import StrategyName, names

FAST = Strategy((1, 2), EntropyController(max_entropy=0.4), "fast")
BALANCED = Strategy((2,), EntropyController(max_entropy=0.2), "balanced")
POINTS = {"entropy": {"balanced": BALANCED, "fast": FAST}}


def resolve(text, layers, points, point=None):
    return strategy.resolve(StrategyName.parse(text, point), layers, points)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dense", StrategyName("dense")),
        ("truncate-3", StrategyName("truncate", layer=3)),
        ("entropy:fast", StrategyName("entropy", point="fast")),
        ("rule+recovery", StrategyName("rule", recovers=True)),
        ("rule+recovery:careful", StrategyName("rule", recovers=True, point="careful")),
        ("cascade:fast", StrategyName("cascade", point="fast")),
    ],
)
def test_a_name_has_parts(text, parts):
    assert StrategyName.parse(text) == parts
    assert str(parts) == text


@pytest.mark.parametrize(
    "text",
    ["", "hf", "random@entropy:fast", "entropy:", ":fast", "truncate-1:fast", "+recovery", "entropy+recovery+recovery"],
)
def test_rejects_other_names(text):
    with pytest.raises(InputError, match=r"no strategy " + re.escape(repr(text))):
        StrategyName.parse(text)


def test_recovery_takes_the_settings_of_the_strategy_without_it_unless_it_has_its_own():
    recovering = resolve("entropy+recovery:fast", 6, POINTS)
    assert (recovering.controller, recovering.recovery) == (FAST.controller, Recovery())
    stored = POINTS | {
        "entropy+recovery": {"fast": replace(FAST, recovery=Recovery()).with_settings(min_confidence=0.7)}
    }
    assert resolve("entropy+recovery:fast", 6, stored).recovery == Recovery(min_confidence=0.7)
    without_stored = resolve("entropy+recovery", 6, stored)  # the sweep with recovery found no balanced point
    assert (without_stored.controller, without_stored.recovery) == (BALANCED.controller, Recovery())


def test_every_name_resolves_to_a_strategy_that_knows_its_kind():
    found = [resolve(name.replace("-k", "-2"), 6, {}) for name in names()]
    assert [strategy.name for strategy in found] == [name.replace("-k", "-2") for name in names()]
    assert {strategy.kind for strategy in found} == {"dense", "truncate", *CONTROLLERS}
    assert {strategy.kind for strategy in found if strategy.prunes} == set(CONTROLLERS)
