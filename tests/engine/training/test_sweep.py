"""Which settings are tried, on how many texts, in what time; and which become operating points."""

import math
import time
from types import SimpleNamespace

import pytest

from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.cost import Cost
from engine.pruning.recovery import TRIGGERS
from engine.pruning.strategy import Strategy
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from engine.training import sweep as sweeping
from engine.training.sweep import Sweep, around, grid, layouts, recovery_rows
from engine.training.trials import OutOfTimeError, Reference, Trial, choose, parse_requirements

LIMITS = (1.0, 3.0, 9.0)
ENGINE = SimpleNamespace(sizes=SimpleNamespace(layers=6))


class Runs:
    """Stands in for `measure`: trials that cost nothing, whose speed and loss grow with the thresholds.

    Two neighbours lose least. Records which settings ran on how many texts.
    """

    def __init__(self) -> None:
        self.ran: list[tuple[Strategy, int]] = []
        self.recovers, self.seconds = True, 0.0

    def __call__(self, _, reference, strategy, documents=None, *, deadline=math.inf):
        if time.monotonic() > deadline:
            raise OutOfTimeError
        time.sleep(self.seconds)
        used = reference.documents[:documents]
        self.ran.append((strategy, len(used)))
        settings = strategy.settings()
        thresholds = settings["max_entropy"]
        share = min(0.9, (sum(thresholds) / len(thresholds)) * (1 + strategy.gates[-1]) / 10)
        factor = {0: 0.6, 1: 0.5, 2: 0.4}[settings["neighbours"]]
        wrong = [int(100 * share * factor + (int(one.id) * 7919 % 100) / 100) for one in used]
        counts = tuple(Counts(max(0, 100 - of), 100, 100) for of in wrong)
        kept, macs = round(6 * len(used) * (1 - share)), round(1000 * len(used) / (1 + 4 * share))
        recovered = len(used) // 2 if strategy.recovery and self.recovers else 0
        dense = (Counts(100, 100, 100),) * len(used)
        return Trial(strategy, counts, dense, Cost((1,), kept, 6 * len(used), macs, 1000 * len(used)), recovered)


@pytest.fixture
def runs(monkeypatch):
    runs = Runs()
    monkeypatch.setattr(sweeping, "measure", runs)
    return runs


def new_sweep(documents=200) -> Sweep:
    of = [Document(str(i), "word " * 240, (Entity(0, 4, "T", "word"),)) for i in range(documents)]
    reference = Reference(of, ("T",), (Counts(100, 100, 100),) * documents)
    return Sweep(ENGINE, reference, parse_requirements(LIMITS, "limits"))


def test_most_settings_run_on_some_sixty_texts_and_a_dozen_on_all(runs):
    sweep = new_sweep()
    sweep.run("entropy")
    sizes = [size for _, size in runs.ran]
    assert 55 <= sizes[0] <= 65
    assert set(sizes) == {sizes[0], 200}
    assert len(runs.ran) == len(set(runs.ran)), "nothing runs twice"
    assert 3 <= len(sweep.trials("entropy")) <= 18 < 50 < len(sweep.sampled)
    runs.ran.clear()
    new_sweep(40).run("entropy")
    assert {size for _, size in runs.ran} == {40}, "few texts are all a sample"


def test_operating_points_come_close_to_the_fastest_setting_within_each_limit(runs):
    sweep = new_sweep()
    sweep.run("entropy")
    found = sweep.chosen("entropy")
    assert list(found) == ["careful", "balanced", "fast"]
    base = Strategy("entropy", (5,), EntropyController((1.0,), 2, exit_entities=True))
    every = [runs(None, sweep.reference, base.with_settings(max_entropy=(at / 100,))) for at in range(1, 100)]
    best = choose(every, sweep.requirements)
    for point, one in found.items():
        assert one.theoretical_speedup > 0.9 * best[point].theoretical_speedup


def test_a_sweep_ends_in_time_and_chooses_among_what_was_measured(runs):
    runs.seconds = 0.01
    sweep, begin = new_sweep(), time.monotonic()
    sweep.run("entropy", seconds=0.4)
    assert time.monotonic() - begin < 5
    assert "time was over" in sweep.time_out("entropy")
    assert sweep.trials("entropy")
    runs.seconds = 0
    sweep.run("entropy+recovery")
    assert not sweep.time_out("entropy+recovery"), "the time of another strategy was used up"


def test_stored_operating_points_run_on_all_texts(runs):
    stored = Strategy("entropy", (4,), EntropyController((0.3,), 2, exit_entities=True), "fast")
    sweep = new_sweep()
    sweep.run("entropy", [stored])
    assert stored.gates in {one.strategy.gates for one in sweep.trials("entropy")}
    assert runs.ran[0][0].point == ""


@pytest.mark.parametrize("recovers", [True, False])
def test_recovery_is_swept_over_triggers_and_must_bring_words_back(recovers, runs):
    runs.recovers, sweep = recovers, new_sweep()
    sweep.run("entropy+recovery")
    tried = [strategy for strategy in sweep.sampled if strategy.name == "entropy+recovery"]
    assert {strategy.recovery.trigger for strategy in tried} == set(TRIGGERS)
    assert bool(sweep.chosen("entropy+recovery")) == bool(sweep.closest("entropy+recovery")) == recovers


@pytest.mark.parametrize("layers", [2, 3, 5, 8, 9, 12, 24])
@pytest.mark.parametrize(("kind", "setting"), [("entropy", "max_entropy"), ("mlp", "max_risk"), ("rule", "lambda_")])
def test_rows_fit_every_depth_and_let_more_and_more_words_exit(kind, setting, layers):
    rows = grid(kind, layers)
    assert rows
    for row in rows:
        assert 0 < row[0].gates[0] <= row[0].gates[-1] < layers
        values = [strategy.settings()[setting] for strategy in row]
        assert values == sorted(values)
        assert len({strategy.gates for strategy in row}) == 1


def test_the_finer_grid_lies_between_thresholds_and_rows_of_recovery_doubt_fewer_windows():
    row = grid("entropy", 6)[0]
    finer = [strategy.controller for strategy in around(row[4])]
    assert {one.neighbours for one in finer} == {0, 1, 2}
    low, high = (row[at].controller.max_entropy[0] for at in (3, 5))
    assert all(low < one.max_entropy[0] < high for one in finer)
    assert len({one.max_entropy for one in finer}) == 4
    ends = Strategy("entropy", (1, 2), EntropyController((0.1, 1.0)))
    assert {one.controller.max_entropy[-1] for one in around(ends)} == {1.0}
    rule = Strategy("rule", (2,), RuleController(0.5))
    assert {one.controller.lambda_ for one in around(rule)} == {0.5}
    rows = recovery_rows(Strategy("entropy", (1, 2), EntropyController((0.1, 1.0)), "fast"))
    recoveries = {row[0].recovery.trigger: [one.recovery for one in row] for row in rows}
    assert [one.min_confidence for one in recoveries["confidence"]] == [0.6, 0.5, 0.4]
    assert [one.max_rise for one in recoveries["entropy_spike"]] == [0.05, 0.15, 0.3]
    assert {one.name for row in rows for one in row} == {"entropy+recovery"}
    assert {round(one.controller.max_entropy[0], 3) for row in rows for one in row} == {0.1, 0.16}


def test_layouts_hold_those_of_published_operating_points():
    assert {((1, 2, 3), False), ((1, 2, 3, 5), True), ((2, 3), False), ((3, 4), False)} <= {*layouts(6)}
    assert {((1, 2, 3, 4, 6, 8), True), ((2, 4, 6, 10), True), ((4, 6, 8, 10), True)} <= {*layouts(12)}
