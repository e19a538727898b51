"""Which recovery is stored: the cheapest of about the best F1, of those that fire rarely and cost less than dense."""

from engine.pruning.recovery import Recovery
from engine.training.recovery import Tried, choose


def tried(trigger: str, fires: float, f1: float, speedup: float, limit: int = 32) -> Tried:
    return Tried(Recovery(trigger, recovery_limit=limit), fires, f1, speedup)


def test_the_best_f1_of_those_that_fire_neither_always_nor_never():
    rare, often = tried("confidence", 0.1, 0.80, 2.0), tried("entity_loss", 0.9, 0.85, 1.5)
    assert choose([rare, often, tried("entropy_spike", 0.0, 0.79, 3.0)]).trigger == "confidence"


def test_among_equals_the_cheapest():
    dear, cheap = tried("confidence", 0.1, 0.8, 2.0, 1024), tried("confidence", 0.1, 0.8, 2.5, 32)
    assert choose([dear, cheap, tried("entropy_spike", 0.1, 0.7, 3.0)]).recovery_limit == 32


def test_a_tenth_of_a_point_is_not_worth_more_cost():
    dear, cheap = tried("confidence", 0.1, 0.8009, 2.0, 1024), tried("confidence", 0.1, 0.8, 2.5, 64)
    worse = tried("confidence", 0.1, 0.798, 2.9)
    never = tried("entropy_spike", 0.0, 0.79, 3.0)
    assert choose([dear, cheap, worse, never]).recovery_limit == 64


def test_what_costs_more_than_dense_is_not_stored():
    dear, cheap = tried("entity_loss", 0.9, 0.86, 0.9, 1024), tried("entity_loss", 0.9, 0.85, 1.8)
    never = [tried(name, 0.0, 0.8, 3.0) for name in ("confidence", "entropy_spike")]
    assert choose([dear, cheap, *never]).recovery_limit == 32
