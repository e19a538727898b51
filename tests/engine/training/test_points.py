"""What settings lose and cost, and which become operating points."""

import math
import shutil

import pytest

from engine import InputError, load_engine
from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.scoring import Counts, count_documents
from engine.training import points
from engine.training.options import by_point
from engine.training.points import choose, speedups, store_agreement
from engine.training.trials import Reference, Trial, int8_agreement, measure
from tests.conftest import TEXT

SIZE = 10_000
DENSE = (Counts(8000, SIZE, SIZE),) * 2
TEXTS = [TEXT, TEXT[40:120], f"{TEXT} {TEXT}", "Nausea.", "", TEXT[:60]] * 12


def trial(f1: float, speedup: float, uneven: int = 0, kept: int = 5, **changes) -> Trial:
    """A setting with this F1 over two documents, ``uneven`` mentions above and below it."""
    correct = round(f1 * SIZE)
    counts = (Counts(correct + uneven, SIZE, SIZE), Counts(correct - uneven, SIZE, SIZE))
    cost = Cost((kept,), 10, round(1e6 / speedup), 1_000_000)
    strategy = Strategy((1,), EntropyController(speedup / 10))
    return Trial(**{"strategy": strategy, "counts": counts, "dense": DENSE, "cost": cost} | changes)


def chosen(*trials: Trial, limits: tuple[float, ...] = (0.11, 0.3, 1.01)) -> dict[str, float]:
    rows = [row for row in choose(trials, by_point(limits, "limits")) if row.reached]
    assert all(row.trial.strategy.point == row.name for row in rows)
    return {row.name: round(row.trial.cost.theoretical_speedup, 3) for row in rows}


def test_an_operating_point_is_the_fastest_within_its_limit_and_of_almost_as_fast_ones_the_safest():
    trials = [trial(0.80, 1.1), trial(0.798, 2.0), trial(0.7999, 1.5), trial(0.79, 3.0), trial(0.7, 9.0)]
    assert chosen(*trials) == {"careful": 1.5, "balanced": 2.0, "fast": 3.0}
    fastest, safer, slower = trial(0.7985, 2.0), trial(0.7995, 1.95), trial(0.8, 1.9)
    assert chosen(fastest, safer, slower, limits=(0.3, 0.3, 0.3))["fast"] == 1.95


def test_an_operating_point_that_no_setting_reaches_has_the_one_that_loses_least():
    rows = choose([trial(0.79, 2.0), trial(0.7, 3.0)], by_point((0.1, 0.3, 2.0), "limits"))
    assert {row.name: (row.reached, row.stored) for row in rows if row.reached or row.stored} == {"fast": (True, True)}
    assert [row.name for row in rows] == ["careful", "balanced", "fast"]
    assert {row.trial.f1 for row in rows} == {0.79}
    assert choose([trial(0.8, 0.9)], by_point((0.1, 0.3, 2.0), "limits")) == []


def test_operating_points_are_in_order_and_differ():
    """Even where the same settings are the fastest within every limit."""
    trials = [trial(0.8, 1.5), trial(0.7999, 1.6), trial(0.7998, 2.0), trial(0.79979, 1.99)]
    assert chosen(*trials) == {"careful": 1.5, "balanced": 1.6, "fast": 2.0}
    assert chosen(trial(0.79, 1.5), trial(0.7995, 2.0)) == {"fast": 2.0}, "the slower one loses more"


def test_a_loss_counts_with_its_one_sided_bound_and_finding_nothing_in_nothing_is_no_evidence():
    assert list(chosen(trial(0.795, 2.0))) == ["fast"]
    assert list(chosen(trial(0.7985, 2.0), limits=(0.11, 0.3, 0.3))) == ["fast"]
    uneven = trial(0.7985, 2.0, uneven=15)
    assert uneven.loss + (uneven.loss_bound - uneven.loss) / 1.645 < 0.3 < uneven.loss_bound
    assert list(chosen(uneven, limits=(0.11, 0.3, 0.3))) == []
    nothing = trial(0.8, 2.0, counts=(Counts(), Counts()), dense=(Counts(), Counts()))
    assert nothing.loss_bound == math.inf
    assert chosen(nothing, limits=(100.0, 100.0, 100.0)) == {}


@pytest.mark.parametrize(
    ("changes", "eligible"),
    [
        ({}, True),
        ({"kept": 10}, False),
        ({"speedup": 0.9}, False),
        ({"dense": (Counts(3000, SIZE, SIZE),) * 2, "f1": 0.3}, False),
        ({"strategy": Strategy((1,), EntropyController(), recovery=Recovery())}, False),
        ({"speedups": {1: 0.9, 32: 1.1}}, True),
        ({"speedups": {1: 0.9, 32: 1.0}}, False),
    ],
)
def test_an_operating_point_computes_less_recovers_words_if_it_can_and_is_faster_somewhere(changes, eligible):
    assert trial(**{"f1": 0.795, "speedup": 1.2} | changes).eligible == eligible


@pytest.mark.parametrize(
    ("given", "descending"),
    [((0.1,), False), ((), False), ((1.0, 0.3, 0.1), False), ((1, 2, 3), True)],
)
def test_rejects_what_is_not_a_number_for_each_operating_point_in_their_order(given, descending):
    with pytest.raises(InputError, match=f"--limits takes 3 {'de' if descending else 'a'}scending numbers"):
        by_point(given, "--limits", descending=descending)


def test_agreement_counts_against_what_the_dense_pass_finds_which_must_be_enough(engine):
    few = sum(len(engine.tag(text, "dense").entities) for text in TEXTS[:6])
    assert 0 < few < 50
    with pytest.raises(InputError, match=f"finds {few} entities in 6 held-out texts"):
        Reference.of(engine, TEXTS[:6]).check()
    reference = Reference.of(engine, [TEXT, TEXT[:60]])
    entities = engine.tag(TEXT, "dense").entities
    assert reference.documents[0].entities == entities
    assert reference.dense[0] == Counts(len(entities), len(entities), len(entities))
    dense, early = (measure(engine, reference, engine.strategy(name)) for name in ("dense", "truncate-1"))
    assert dense.loss_bound == 0
    assert early.loss == pytest.approx(100 * (1 - early.f1))


def test_a_trial_counts_what_the_engine_finds_and_computes(engine):
    reference = Reference.of(engine, TEXTS)
    setting = Strategy((1,), EntropyController(0.9, exit_entities=True), recovery=Recovery(min_confidence=1.0))
    measured = measure(engine, reference, setting)
    results = engine.tag_batch(TEXTS, setting)
    entities = [result.entities for result in results]
    assert measured.counts == tuple(count_documents(reference.documents, entities, reference.types))
    assert measured.dense == reference.dense
    assert measured.cost.macs == sum(result.cost.macs for result in results)
    assert measured.recovered == sum(result.paths.recovered.any() for result in results) > 0


def test_eight_bits_agree_unless_too_many_entities_differ(engine, plain_engine):
    float32, other = (Reference.of(model, TEXTS) for model in (engine, plain_engine))
    assert int8_agreement(float32, float32) == {"agrees": True, "agreement": 1, "texts": len(TEXTS)}
    assert int8_agreement(float32, other)["agrees"] is False
    few = Reference.of(engine, TEXTS[:3])  # of which more texts would not be read
    assert int8_agreement(few, few) == {}


def test_speedups_are_against_the_first_strategy_where_there_are_enough_texts(engine):
    strategies = {name: engine.strategy(name) for name in ("dense", "truncate-1")}
    measured = speedups(engine, strategies, [TEXT] * 4, 2)
    assert measured["dense"] == {1: 1}
    assert measured["truncate-1"].keys() == {1}
    assert measured["truncate-1"][1] != 1


@pytest.mark.parametrize("agrees", [True, False])
def test_a_folder_remembers_whether_8_bits_agree(agrees, model_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    agreement = {"agrees": agrees, "agreement": 0.9, "texts": 60}
    monkeypatch.setattr(points, "int8_agreement", lambda **_: agreement)
    store_agreement(folder, [TEXT])
    engine = load_engine(folder)
    assert engine.dtype == ("int8" if agrees else "float32")
    assert "not known" not in engine.why
