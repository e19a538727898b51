"""What settings lose and cost, and which become operating points."""

import math
import time

import pytest
import torch

from engine import InputError, load_engine
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents
from engine.training.trials import OutOfTimeError, Reference, Trial, choose, measure
from tests.conftest import TEXT

SIZE = 10_000
DENSE = (Counts(8000, SIZE, SIZE),) * 2
TEXTS = [TEXT, TEXT[40:120], f"{TEXT} {TEXT}", "Nausea.", "", TEXT[:60]] * 8


def trial(f1: float, speedup: float, uneven: int = 0, kept: int = 5) -> Trial:
    """A setting with this F1 over two documents, ``uneven`` mentions above and below it."""
    correct = round(f1 * SIZE)
    counts = (Counts(correct + uneven, SIZE, SIZE), Counts(correct - uneven, SIZE, SIZE))
    cost = Cost((1,), kept, 10, 1000, round(1000 * speedup))
    return Trial(Strategy("entropy", (1,), EntropyController(speedup / 10)), counts, DENSE, cost)


def chosen(*trials: Trial, limits: tuple[float, ...] = (0.11, 0.3, 1.01)) -> dict[str, float]:
    return {point: one.theoretical_speedup for point, one in choose(trials, limits).items()}


def test_an_operating_point_is_the_fastest_setting_within_its_limit():
    trials = [trial(0.80, 1.1), trial(0.798, 2.0), trial(0.7999, 1.5), trial(0.79, 3.0), trial(0.7, 9.0)]
    assert chosen(*trials) == {"careful": 1.5, "balanced": 2.0, "fast": 3.0}
    assert choose(trials, (0.1, 0.3, 1.01))["fast"].strategy.point == "fast"


def test_a_loss_counts_with_its_standard_error():
    assert list(chosen(trial(0.795, 2.0))) == ["fast"]
    assert list(chosen(trial(0.7985, 2.0))) == ["balanced", "fast"]
    assert list(chosen(trial(0.7985, 2.0, uneven=40))) == ["fast"]


def test_of_settings_within_3_percent_the_one_that_loses_least_is_taken():
    fastest, safer, slower = trial(0.7985, 2.0), trial(0.7995, 1.95), trial(0.8, 1.9)
    assert chosen(fastest, safer, slower, limits=(0.3, 0.3, 0.3))["balanced"] == 1.95


def test_an_operating_point_removes_something_and_is_faster_than_dense():
    assert chosen(trial(0.8, 1.2, kept=10), trial(0.8, 0.9)) == {}


def test_finding_nothing_where_nothing_is_to_be_found_is_no_evidence():
    empty = (Counts(), Counts())
    nothing = Trial(Strategy("entropy", (1,), EntropyController()), empty, empty, Cost((1,), 1, 2, 1, 5))
    assert nothing.loss_bound == math.inf
    assert choose([nothing], (100.0, 100.0, 100.0)) == {}


def test_agreement_counts_against_what_the_dense_pass_finds(engine):
    reference = Reference.agreement(engine, [TEXT, TEXT[:60]])
    found = engine.tag(TEXT, "dense").entities
    assert reference.documents[0].entities == found
    assert found, "nothing to agree with"
    assert reference.dense[0] == Counts(len(found), len(found), len(found))
    dense, early = measure(engine, reference, [Strategy("dense"), engine.strategy("truncate-1")])
    assert dense.loss_bound == 0
    assert early.loss == pytest.approx(100 * (1 - early.f1))


def test_texts_in_which_nothing_is_found_are_refused(engine):
    with pytest.raises(InputError, match="expected entities in the 2 held-out texts, got none"):
        Reference.agreement(engine, ["", " "])


def test_settings_that_share_their_layers_give_what_each_gives_alone(model_folder):
    engine = load_engine(model_folder)
    reference = Reference.agreement(engine, TEXTS)
    settings = [
        Strategy("entropy", (1, 2), EntropyController((0.3, 0.5), 1, exit_entities=True)),
        Strategy("entropy", (2,), EntropyController(0.4, 0)),
        Strategy("entropy", (1, 2), EntropyController((0.2, 1.0), 2, exit_entities=True), min_exit_ratio=0.3),
        engine.strategy("rule"),
        Strategy("entropy+recovery", (1,), EntropyController(0.5), recovery=Recovery(min_confidence=0.9)),
        engine.strategy("truncate-2"),
        Strategy("dense"),
    ]
    parts = [measure(engine, reference, settings, begin, end) for begin, end in ((0, 7), (7, None))]
    for setting, first, rest in zip(settings, *parts, strict=True):
        results = engine.tag_batch([document.text for document in reference.documents], setting)
        counts = count_documents(reference.documents, [one.entities for one in results], reference.types)
        whole = first.joined(rest)
        assert whole.counts == tuple(counts)
        assert whole.cost.macs == sum(one.cost.macs for one in results)
        assert whole.cost.token_layers == sum(one.cost.token_layers for one in results)
        assert whole.fired == sum(one.recovered for one in results)
        again = Trial.from_json(whole.to_json(), reference.dense)
        assert (again.to_json(), again.dense) == (whole.to_json(), whole.dense)
    assert parts[1][4].fired, "nothing came back"


def test_layers_that_all_settings_see_run_once(model_folder, monkeypatch):
    engine, ran = load_engine(model_folder), []
    layer = type(engine.encoder).layer

    def counted(self, number, hidden, batch):
        ran.append(number)
        return layer(self, number, hidden, batch)

    monkeypatch.setattr(type(engine.encoder), "layer", counted)
    settings = [Strategy("entropy", (2,), EntropyController(value, exit_entities=True)) for value in (0.2, 0.4, 0.6)]
    with torch.inference_mode():
        measure(engine, Reference([Document("1", TEXT)], ("Disease",), ()), settings)
    assert ran[:2] == [1, 2]
    assert ran.count(1) == ran.count(2) == 1
    assert ran.count(3) <= 3


def test_trials_end_at_their_deadline(engine):
    reference = Reference.agreement(engine, [TEXT])
    with pytest.raises(OutOfTimeError):
        measure(engine, reference, [Strategy("dense")], deadline=time.monotonic() - 1)
