"""A strategy's name: its parts, and what it resolves to."""

import pytest

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.resolve import StrategyName, names, parse, resolve, with_recovery
from engine.pruning.strategy import Strategy

FAST = Strategy("entropy", (1, 2), EntropyController(0.4), "fast")
BALANCED = Strategy("entropy", (2,), EntropyController(0.2), "balanced")
POINTS = {"entropy": {"balanced": BALANCED.to_json(), "fast": FAST.to_json()}}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dense", StrategyName("dense", "dense")),
        ("truncate-3", StrategyName("truncate-3", "truncate", layer=3)),
        ("entropy:fast", StrategyName("entropy:fast", "entropy", point="fast")),
        ("rule+recovery", StrategyName("rule+recovery", "rule", recovers=True)),
        ("rule+recovery:careful", StrategyName("rule+recovery:careful", "rule", recovers=True, point="careful")),
        ("random", StrategyName("random", "random")),
        (
            "random@mlp:fast",
            StrategyName("random@mlp:fast", "random", replays=StrategyName("mlp:fast", "mlp", point="fast")),
        ),
    ],
)
def test_a_name_has_parts(text, parts):
    assert parse(text) == parts


@pytest.mark.parametrize(
    "text", ["", "entropy:", ":fast", "entropy+", "+recovery", "entropy+recovery+recovery", "random@", "random@dense"]
)
def test_other_names_are_refused(text):
    with pytest.raises(InputError, match="expected"):
        parse(text)


def test_every_strategy_has_a_name_that_resolves():
    for name in names():
        assert resolve(name.replace("-k", "-1"), 6, {}).name == name.replace("-k", "-1")


def test_the_name_decides_over_the_point_beside_it():
    assert resolve("entropy:fast", 6, POINTS, "balanced") == Strategy(
        "entropy:fast", FAST.gates, FAST.controller, "fast"
    )
    assert resolve("entropy", 6, POINTS, "fast") == FAST
    assert resolve("entropy", 6, POINTS) == BALANCED


def test_without_a_balanced_point_the_first_that_is_stored_is_the_default():
    only_fast = {"entropy": {"fast": FAST.to_json()}}
    assert resolve("entropy", 6, only_fast) == FAST
    assert resolve("random", 6, only_fast).replays == FAST
    with pytest.raises(InputError, match=r"point of entropy\+recovery out of \['fast'\], got 'balanced'"):
        resolve("entropy+recovery", 6, only_fast, "balanced")


def test_recovery_takes_the_settings_of_the_strategy_without_it_unless_it_has_its_own():
    recovering = resolve("entropy+recovery:fast", 6, POINTS)
    assert (recovering.controller, recovering.recovery) == (FAST.controller, Recovery())
    stored = with_recovery(FAST).with_settings(min_confidence=0.7)
    own = POINTS | {"entropy+recovery": {"fast": stored.to_json()}}
    assert resolve("entropy+recovery:fast", 6, own).recovery == Recovery(min_confidence=0.7)
    without_own = resolve("entropy+recovery", 6, own)  # the search for recovery found no balanced point
    assert (without_own.controller, without_own.recovery) == (BALANCED.controller, Recovery())


def test_random_replays_what_it_names_with_its_gates_and_context():
    random = resolve("random@entropy:fast", 6, POINTS)
    assert (random.kind, random.prunes, random.gates) == ("random", False, FAST.gates)
    assert random.replays == resolve("entropy:fast", 6, POINTS)
    assert resolve("random", 6, POINTS, "fast").replays.point == "fast"


def test_a_strategy_knows_its_kind():
    for name in ("dense", "hf", *CONTROLLERS):
        assert resolve(name, 6, {}).kind == name
    assert resolve("truncate-2", 6, {}).kind == "truncate"
    assert {
        name for name in ("dense", "hf", "truncate-1", "random", *CONTROLLERS) if resolve(name, 6, {}).prunes
    } == set(CONTROLLERS)
