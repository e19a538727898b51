"""Which settings become operating points, and how the search finds them."""

import csv
import math
import time
from dataclasses import replace

import pytest

from engine import InputError
from engine.checksums import write_checksums
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from engine.training import search as searching
from engine.training.points import SLACK, Reference, Tried, choose, measure, store_frontier
from engine.training.search import Search, promising
from tests.conftest import TEXT

SIZE = 10_000
REFERENCE = Reference([Document("1", ""), Document("2", "")], ("T",), (Counts(8000, SIZE, SIZE),) * 2)


def cost(speedup: float) -> Cost:
    return Cost((1,), 1, 1, 1000, round(1000 * speedup))


def tried(f1: float, speedup: float, uneven: int = 0) -> Tried:
    """A setting with this F1 over two documents, ``uneven`` mentions above and below it."""
    correct = round(f1 * SIZE)
    counts = (Counts(correct + uneven, SIZE, SIZE), Counts(correct - uneven, SIZE, SIZE))
    return Tried(Strategy("entropy", (1,), EntropyController(speedup / 10)), counts, cost(speedup))


def test_a_point_is_the_fastest_setting_within_its_drop():
    settings = [tried(0.80, 1.0), tried(0.798, 2.0), tried(0.7999, 1.5), tried(0.79, 3.0), tried(0.7, 9.0)]
    chosen = choose(settings, REFERENCE, (0.11, 0.3, 1.01))
    assert {point: one.theoretical_speedup for point, one in chosen.items()} == {
        "careful": 1.5,
        "balanced": 2.0,
        "fast": 3.0,
    }
    assert chosen["fast"].strategy.point == "fast"


def test_a_point_that_no_setting_reaches_is_left_out():
    assert list(choose([tried(0.795, 2.0)], REFERENCE, (0.1, 0.3, 1.0))) == ["fast"]


def test_a_loss_counts_together_with_its_standard_error():
    assert list(choose([tried(0.7985, 2.0)], REFERENCE, (0.1, 0.3, 1.0))) == ["balanced", "fast"]
    assert list(choose([tried(0.7985, 2.0, uneven=40)], REFERENCE, (0.1, 0.3, 1.0))) == ["fast"]


def test_of_settings_that_are_nearly_as_fast_the_one_that_loses_least_is_taken():
    fastest, safer, slower = tried(0.7985, 2.0), tried(0.7995, 1.95), tried(0.8, 1.9)
    for slack, best in ((0.0, fastest), (0.03, safer), (0.06, slower)):
        assert choose([fastest, safer, slower], REFERENCE, (0.3, 0.3, 0.3), slack)["balanced"].f1 == best.f1


def test_a_search_counts_settings_within_3_percent_as_equally_fast():
    search = Search(None, REFERENCE, (0.3, 0.3, 0.3))
    settings = tried(0.7985, 2.0), tried(0.7995, 1.95), tried(0.8, 1.9)
    search.parts = {str(number): [one] for number, one in enumerate(settings)}
    assert search.chosen()["balanced"].theoretical_speedup == 1.95


def test_finding_nothing_where_nothing_is_to_be_found_is_no_evidence():
    empty = Reference(REFERENCE.documents, ("T",), (Counts(), Counts()))
    nothing = Tried(Strategy("entropy", (1,), EntropyController()), (Counts(), Counts()), cost(5.0))
    assert nothing.loss_bound(empty) == math.inf
    assert choose([nothing], empty, (100.0, 100.0, 100.0)) == {}


def test_the_promising_are_the_fastest_within_a_drop_with_and_without_the_error_then_the_next():
    doubtful, safe, slow, bad = tried(0.798, 3.0, 60), tried(0.798, 2.0), tried(0.8, 1.2), tried(0.6, 9.0)
    order = list(promising([bad, slow, safe, doubtful], REFERENCE, (0.3, 0.3, 0.3)))
    assert [one.theoretical_speedup for one in order] == [2.0, 3.0, 1.2, 9.0]


def test_agreement_counts_against_what_the_dense_pass_finds(engine):
    reference = Reference.agreement(engine, [TEXT, TEXT[:60]])
    found = engine.tag(TEXT, "dense").entities
    assert reference.documents[0].entities == found
    assert found, "nothing to agree with"
    assert reference.dense[0] == Counts(len(found), len(found), len(found))
    assert measure(engine, reference, Strategy("dense")).loss_bound(reference) == 0
    early = measure(engine, reference, engine.strategy("truncate-1"))
    assert early.loss(reference) == pytest.approx(100 * (1 - early.f1))


def test_texts_in_which_nothing_is_found_are_refused(engine):
    with pytest.raises(InputError, match="expected entities in the 2 texts held out, got none"):
        Reference.agreement(engine, ["", " "])


def test_a_frontier_of_an_older_version_is_replaced(tmp_path):
    (tmp_path / "frontier.csv").write_text("strategy,settings,promised_speedup\nrule,{},1.5\n")
    write_checksums(tmp_path)
    store_frontier(tmp_path, {"entropy": (REFERENCE, [tried(0.8, 2.0)])})
    store_frontier(tmp_path, {"mlp": (REFERENCE, [tried(0.8, 2.0)])})
    with (tmp_path / "frontier.csv").open(newline="") as file:
        assert [row["strategy"] for row in csv.DictReader(file)] == ["entropy", "mlp"]


@pytest.fixture
def simulated(monkeypatch):
    """A reference of 1,000 documents; a setting's speed and share of wrong ones grow with its threshold."""
    reference = Reference(
        [Document(str(i), "x", (Entity(0, 1, "T", "x"),)) for i in range(1000)], ("T",), (Counts(10, 10, 10),) * 1000
    )
    runs: list[tuple[float, int]] = []

    def run(_, of, strategy, begin=0, end=None):
        threshold = strategy.controller.max_entropy
        part = range(len(of.documents))[begin:end]
        counts = tuple(Counts(10 - (int(of.documents[i].id) < 1000 * threshold), 10, 10) for i in part)
        runs.append((threshold, len(part)))
        return Tried(
            strategy, counts, Cost((1,), 1, 1, 1000 * len(part), round(1000 * len(part) * (1 + 10 * threshold)))
        )

    monkeypatch.setattr(searching, "measure", run)
    monkeypatch.setattr(searching, "can_simulate", lambda strategy: False)
    return reference, runs


def setting(threshold: float) -> Strategy:
    return Strategy("entropy", (1,), EntropyController(threshold))


GRID = [setting(value / 100) for value in range(1, 100)]


def test_a_search_runs_few_settings_on_all_documents_and_finds_about_what_all_would_give(simulated):
    reference, runs = simulated
    search = Search(None, reference, (0.2, 0.5, 1.5))
    search.run(GRID, lambda strategy: [], "entropy")
    assert sum(documents for _, documents in runs) < 0.25 * 1000 * len(GRID)
    everything = [searching.measure(None, search.reference, strategy) for strategy in GRID]
    best = choose(everything, search.reference, (0.2, 0.5, 1.5), SLACK)
    found = search.chosen()
    assert list(found) == ["careful", "balanced", "fast"]
    for point, one in found.items():
        assert one.loss_bound(search.reference) <= {"careful": 0.2, "balanced": 0.5, "fast": 1.5}[point]
        assert one.theoretical_speedup > 0.95 * best[point].theoretical_speedup


@pytest.mark.parametrize(("documents", "first"), [(40, 40), (99, 25), (392, 25), (505, 31)])
def test_the_first_sample_is_small_whatever_there_is(simulated, documents, first):
    reference, runs = simulated
    search = Search(None, reference.first(documents), (0.2, 0.5, 1.5))
    search.run(GRID, lambda strategy: [], "entropy")
    assert runs[0][1] == first


def test_variations_lead_to_what_was_not_proposed(simulated):
    reference, _ = simulated
    search = Search(None, reference, (0.2, 0.5, 1.5))

    def near(strategy):
        return [setting(strategy.controller.max_entropy * factor) for factor in (0.5, 1.3)]

    search.run([setting(0.2)], near, "entropy")
    assert search.chosen()["fast"].strategy.controller.max_entropy == pytest.approx(0.13)


def test_an_interrupted_search_goes_on_from_its_log(simulated, tmp_path):
    reference, runs = simulated
    first = Search(None, reference, (0.2, 0.5, 1.5), log=tmp_path / "log")
    first.run(GRID, lambda strategy: [], "entropy")
    runs.clear()
    second = Search(None, reference, (0.2, 0.5, 1.5), log=tmp_path / "log")
    second.run(GRID, lambda strategy: [], "entropy")
    assert runs == []
    assert second.chosen().keys() == first.chosen().keys()


def test_a_line_that_an_interruption_tore_is_measured_again(simulated, tmp_path):
    reference, runs = simulated
    log = tmp_path / "log"
    first = Search(None, reference, (0.2, 0.5, 1.5), log=log)
    measured = [first.on_all(one) for one in GRID[:2]]
    lines = log.read_text()
    log.write_text(lines[: len(lines) * 3 // 4])
    runs.clear()
    second = Search(None, reference, (0.2, 0.5, 1.5), log=log)
    assert [second.on_all(one).counts for one in GRID[:2]] == [one.counts for one in measured]
    assert len(runs) == 1
    assert log.read_text() == lines


def test_simulation_ends_in_time_once_every_step_of_speed_may_have_a_setting(simulated, monkeypatch):
    reference, _ = simulated
    played = []

    class Slow:
        def __init__(self, engine, of):
            assert sum(len(document.text) for document in of.documents) <= searching.SIMULATED

        def measure(self, strategy):
            played.append(strategy)
            return searching.measure(None, reference, strategy)

    monkeypatch.setattr(searching, "Simulator", Slow)
    monkeypatch.setattr(searching, "can_simulate", lambda strategy: True)
    search = Search(None, reference, (0.2, 0.5, 1.5))
    for deadline, count in ((math.inf, len(GRID)), (time.monotonic(), searching.SPEEDS)):
        played.clear()
        search._ranked(GRID, deadline)
        assert len(played) == count


@pytest.fixture
def alike(simulated, monkeypatch):
    """A simulation in which all settings are alike, so that one represents all."""
    reference, _ = simulated

    class Alike:
        def __init__(self, engine, of):
            pass

        def measure(self, strategy):
            return replace(searching.measure(None, reference, setting(0.01), 0, 1), strategy=strategy)

    monkeypatch.setattr(searching, "Simulator", Alike)
    monkeypatch.setattr(searching, "can_simulate", lambda strategy: True)
    return reference


@pytest.mark.parametrize(("seconds", "ran"), [(math.inf, 1), (60, len(GRID[::4]))])
def test_time_that_is_left_goes_to_what_simulation_ranked_next(alike, seconds, ran):
    search = Search(None, alike, (0.2, 0.5, 1.5), seconds=seconds)
    search.run(GRID[::4], lambda strategy: [], "entropy")
    assert len(search.parts) == ran


def test_variations_run_whatever_simulation_says_of_them(alike):
    search = Search(None, alike, (0.2, 0.5, 1.5))
    search.run(GRID[:1], lambda strategy: GRID[1:5], "entropy")
    assert len(search.parts) == 5


def test_a_search_without_time_still_measures_some_settings_on_all_documents(simulated):
    reference, runs = simulated
    search = Search(None, reference, (0.2, 0.5, 1.5), seconds=-1.0)
    begin = time.monotonic()
    search.run(GRID, lambda strategy: [], "entropy")
    assert time.monotonic() - begin < 5
    assert len(search.measured()) == 3
    assert len({threshold for threshold, _ in runs}) == 3


def test_what_is_not_eligible_is_never_chosen(simulated):
    reference, _ = simulated
    slow = Search(None, reference, (0.2, 0.5, 1.5), eligible=lambda one: one.theoretical_speedup < 1.15)
    slow.run(GRID, lambda strategy: [], "entropy")
    assert slow.chosen()["fast"].theoretical_speedup == pytest.approx(1.1)
