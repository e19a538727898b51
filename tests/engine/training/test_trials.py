"""What settings lose and cost, and which become operating points."""

import math
import time

import pytest

from engine import InputError
from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.scoring import Counts, count_documents
from engine.training.trials import (
    OutOfTimeError,
    Reference,
    Requirement,
    Trial,
    choose,
    measure,
    parse_requirements,
)
from tests.conftest import TEXT

SIZE = 10_000
DENSE = (Counts(8000, SIZE, SIZE),) * 2
TEXTS = [TEXT, TEXT[40:120], f"{TEXT} {TEXT}", "Nausea.", "", TEXT[:60]] * 8


def trial(f1: float, speedup: float, uneven: int = 0, kept: int = 5, **changes) -> Trial:
    """A setting with this F1 over two documents, ``uneven`` mentions above and below it."""
    correct = round(f1 * SIZE)
    counts = (Counts(correct + uneven, SIZE, SIZE), Counts(correct - uneven, SIZE, SIZE))
    cost = Cost((1,), kept, 10, 1000, round(1000 * speedup))
    strategy = Strategy("entropy", (1,), EntropyController(speedup / 10))
    return Trial(**{"strategy": strategy, "counts": counts, "dense": DENSE, "cost": cost} | changes)


def chosen(*trials: Trial, limits: tuple[float, ...] = (0.11, 0.3, 1.01)) -> dict[str, float]:
    found = choose(trials, parse_requirements(limits, "limits"))
    assert all(one.strategy.point == point for point, one in found.items())
    return {point: one.theoretical_speedup for point, one in found.items()}


def test_an_operating_point_is_the_fastest_within_its_limit_and_of_almost_as_fast_ones_the_safest():
    trials = [trial(0.80, 1.1), trial(0.798, 2.0), trial(0.7999, 1.5), trial(0.79, 3.0), trial(0.7, 9.0)]
    assert chosen(*trials) == {"careful": 1.5, "balanced": 2.0, "fast": 3.0}
    fastest, safer, slower = trial(0.7985, 2.0), trial(0.7995, 1.95), trial(0.8, 1.9)
    assert chosen(fastest, safer, slower, limits=(0.3, 0.3, 0.3))["fast"] == 1.95


def test_operating_points_are_in_order_and_differ():
    """Even where the same settings are the fastest within every limit."""
    assert chosen(trial(0.8, 1.5), trial(0.7999, 1.6), trial(0.7998, 2.0), trial(0.79979, 1.99)) == {
        "careful": 1.5,
        "balanced": 1.6,
        "fast": 2.0,
    }
    assert chosen(trial(0.79, 1.5), trial(0.7995, 2.0)) == {"fast": 2.0}, "the slower one loses more"


def test_a_loss_counts_with_its_standard_error_and_finding_nothing_in_nothing_is_no_evidence():
    assert list(chosen(trial(0.795, 2.0))) == ["fast"]
    assert list(chosen(trial(0.7985, 2.0), limits=(0.11, 0.3, 0.3))) == ["fast"]
    assert list(chosen(trial(0.7985, 2.0, uneven=40), limits=(0.11, 0.3, 0.3))) == []
    nothing = trial(0.8, 2.0, counts=(Counts(), Counts()), dense=(Counts(), Counts()))
    assert nothing.loss_bound() == math.inf
    assert chosen(nothing, limits=(100.0, 100.0, 100.0)) == {}


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"kept": 10}, False),
        ({"speedup": 0.9}, False),
        ({"f1": 0.789}, False),
        ({"dense": (Counts(3000, SIZE, SIZE),) * 2, "f1": 0.3}, False),
        ({"strategy": Strategy("entropy+recovery", (1,), EntropyController(), recovery=Recovery())}, False),
        ({"speedups": {1: 0.9, 32: 1.1}}, True),
        ({"speedups": {1: 0.9, 32: 1.0}}, False),
    ],
)
def test_a_requirement_accepts_what_it_describes(changes, accepted):
    requirement = Requirement("fast", 1.0)
    assert requirement.accepts(trial(**{"f1": 0.795, "speedup": 1.2} | changes)) == accepted
    parts = (
        "at most 1 pp",
        "fewer token-layers and fewer MACs",
        "at least 2 %",
        "if it was timed",
        "an F1 of at least 0.5",
    )
    assert all(part in requirement.describe() for part in parts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0.1", "3 numbers of 0 or more for --limits, got '0.1'"),
        ("nan,nan,nan", "3 numbers"),
        ("1,2,x", "3 numbers"),
        ((-1, 0, 1), "3 numbers"),
        (None, "3 numbers"),
        ("1,0.3,0.1", "ascending"),
    ],
)
def test_rejects_limits_that_are_not_three_ascending_numbers(given, message):
    with pytest.raises(InputError, match=message):
        parse_requirements(given, "--limits")


def test_agreement_counts_against_what_the_dense_pass_finds_which_must_be_enough(engine, monkeypatch):
    few = sum(len(engine.tag(text, "dense").entities) for text in TEXTS[:6])
    assert 0 < few < 50
    with pytest.raises(InputError, match=f"to find 50 entities in 6 held-out texts or more, got {few};"):
        Reference.agreement(engine, TEXTS[:6])
    monkeypatch.setattr("engine.training.trials.MIN_ENTITIES", 1)
    reference = Reference.agreement(engine, [TEXT, TEXT[:60]])
    found = engine.tag(TEXT, "dense").entities
    assert reference.documents[0].entities == found
    assert reference.dense[0] == Counts(len(found), len(found), len(found))
    dense, early = (measure(engine, reference, engine.strategy(name)) for name in ("dense", "truncate-1"))
    assert dense.loss_bound() == 0
    assert early.loss == pytest.approx(100 * (1 - early.f1))


def test_a_trial_counts_what_the_engine_finds_and_computes_and_ends_at_its_deadline(engine):
    reference = Reference.agreement(engine, TEXTS).shuffled(0)
    setting = Strategy("entropy+recovery", (1,), EntropyController(0.5), recovery=Recovery(min_confidence=0.9))
    first = measure(engine, reference, setting, 7)
    results = engine.tag_batch(reference.texts[:7], setting)
    found = [one.entities for one in results]
    assert first.counts == tuple(count_documents(reference.documents[:7], found, reference.types))
    assert first.dense == reference.dense[:7]
    assert first.cost.macs == sum(one.cost.macs for one in results)
    assert first.recovered == sum(one.recovered for one in results) > 0
    assert len(measure(engine, reference, setting).counts) == len(TEXTS)
    with pytest.raises(OutOfTimeError):
        measure(engine, reference, Strategy("dense"), deadline=time.monotonic() - 1)
