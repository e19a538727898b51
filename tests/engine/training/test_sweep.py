"""Which settings are tried, on how many texts, in what time; and which become operating points."""

import math
import time
from types import SimpleNamespace

import pytest

from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.recovery import TRIGGERS
from engine.pruning.strategy import Strategy
from engine.runs import Log
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from engine.training import sweep as sweeping
from engine.training.sweep import Line, Sweep, first_lines, layouts, recovery_lines, variations
from engine.training.trials import OutOfTimeError, Reference, Trial, choose

LIMITS = (1.0, 3.0, 9.0)
ENGINE = SimpleNamespace(sizes=SimpleNamespace(layers=6))


class Runs:
    """Stands in for `measure`: trials that cost nothing, whose speed and loss grow with the thresholds.

    Two neighbours lose least. Records which settings ran on how many texts.
    """

    def __init__(self) -> None:
        self.ran: list[tuple[Strategy, int]] = []
        self.fires, self.seconds, self.power = True, 0.0, 1.0

    def __call__(self, _, reference, strategies, begin=0, end=None, *, progress="", deadline=math.inf):
        if time.monotonic() > deadline:
            raise OutOfTimeError
        time.sleep(self.seconds)
        documents = reference.documents[begin:end]
        self.ran += [(strategy, len(documents)) for strategy in strategies]
        return [self.trial(strategy, documents) for strategy in strategies]

    def trial(self, strategy, documents):
        settings = strategy.settings()
        thresholds = settings["max_entropy"]
        share = min(0.9, (sum(thresholds) / len(thresholds)) ** self.power * (1 + strategy.gates[-1]) / 10)
        factor = {0: 0.6, 1: 0.5, 2: 0.4}[settings["neighbours"]]
        wrong = [int(100 * share * factor + (int(one.id) * 7919 % 100) / 100) for one in documents]
        counts = tuple(Counts(max(0, 100 - of), 100, 100) for of in wrong)
        kept, macs = round(6 * len(documents) * (1 - share)), round(1000 * len(documents) / (1 + 4 * share))
        fired = len(documents) // 2 if strategy.recovery and self.fires else 0
        dense = (Counts(100, 100, 100),) * len(documents)
        return Trial(strategy, counts, dense, Cost((1,), kept, 6 * len(documents), macs, 1000 * len(documents)), fired)


@pytest.fixture
def runs(monkeypatch):
    runs = Runs()
    monkeypatch.setattr(sweeping, "measure", runs)
    return runs


def new_sweep(documents=500, **settings) -> Sweep:
    of = [Document(str(i), "word " * 240, (Entity(0, 4, "T", "word"),)) for i in range(documents)]
    return Sweep(ENGINE, Reference(of, ("T",), (Counts(100, 100, 100),) * documents), LIMITS, **settings)


def test_most_settings_run_on_some_sixty_texts_and_a_dozen_on_all(runs):
    sweep = new_sweep()
    sweep.run("entropy")
    sizes = [size for _, size in runs.ran]
    assert 55 <= sizes[0] <= 65
    assert set(sizes) == {sizes[0], 500 - sizes[0]}
    assert len(sweep.trials("entropy")) <= 24 < 50 < len(sweep.sampled)
    assert all(len(one.counts) == 500 for one in sweep.trials("entropy"))


def test_operating_points_come_close_to_the_fastest_setting_within_each_limit(runs):
    sweep = new_sweep()
    sweep.run("entropy")
    found = sweep.chosen("entropy")
    assert list(found) == ["careful", "balanced", "fast"]
    base = Strategy("entropy", (1,), EntropyController((1.0,), 2, exit_entities=True))
    grid = [base.with_settings(max_entropy=(value / 500,)) for value in range(1, 500)]
    best = choose(runs(None, sweep.reference, grid), LIMITS)
    for (point, one), limit in zip(found.items(), LIMITS, strict=True):
        assert one.loss_bound <= limit
        assert one.theoretical_speedup > 0.9 * best[point].theoretical_speedup


def test_a_strict_limit_is_met_even_if_the_model_is_certain_of_nearly_every_word(runs):
    runs.power = 0.35  # a threshold of 0.002 already loses more than the limit
    sweep = new_sweep()
    sweep.run("entropy")
    assert 0 < sweep.chosen("entropy")["careful"].loss_bound <= LIMITS[0]


def test_few_texts_are_all_a_sample(runs):
    new_sweep(40).run("entropy")
    assert {size for _, size in runs.ran} == {40}


def test_a_sweep_ends_in_time_and_chooses_among_what_was_measured(runs):
    runs.seconds = 0.05
    sweep, begin = new_sweep(), time.monotonic()
    sweep.run("entropy", seconds=0.4)
    assert time.monotonic() - begin < 5
    assert "time was over" in sweep.time_out("entropy")
    assert sweep.trials("entropy")
    runs.seconds = 0
    sweep.run("entropy+recovery")
    assert not sweep.time_out("entropy+recovery"), "the time of another strategy was used up"


def test_a_limit_that_no_line_has_met_on_the_sample_is_still_searched_for(runs):
    sweep = new_sweep()
    sweep._try([(line, line.scales[-1]) for line in first_lines("entropy", 6)], sweep.sample_size, math.inf)
    for count, share in sweeping.FINALISTS:
        sweep._run_finalists("entropy", count, share, math.inf)
    assert list(sweep.chosen("entropy")) == ["careful", "balanced", "fast"]


def test_an_interrupted_sweep_measures_nothing_twice(runs, tmp_path):
    first = new_sweep(log=Log(tmp_path / "log"))
    first.run("entropy")
    lines = (tmp_path / "log").read_text()
    (tmp_path / "log").write_text(lines[: len(lines) // 2])
    before = len(runs.ran)
    for expected in (range(1, before), range(1)):
        runs.ran.clear()
        again = new_sweep(log=Log(tmp_path / "log"))
        again.run("entropy")
        assert len(runs.ran) in expected
        assert again.chosen("entropy")["fast"].strategy == first.chosen("entropy")["fast"].strategy


def test_stored_operating_points_run_on_all_texts(runs):
    stored = Strategy("entropy", (4,), EntropyController((0.3,), 2, exit_entities=True), "fast")
    sweep = new_sweep()
    sweep.run("entropy", [stored])
    assert stored.gates in {one.strategy.gates for one in sweep.trials("entropy")}
    assert runs.ran[0][0].point == ""


@pytest.mark.parametrize("fires", [True, False])
def test_recovery_is_swept_over_triggers_and_must_fire(fires, runs):
    runs.fires, sweep = fires, new_sweep()
    sweep.run("entropy+recovery")
    tried = [strategy for strategy in sweep.sampled if strategy.name == "entropy+recovery"]
    assert {strategy.recovery.trigger for strategy in tried} == set(TRIGGERS)
    assert bool(sweep.chosen("entropy+recovery")) == bool(sweep.closest("entropy+recovery")) == fires


def test_layouts_hold_those_of_published_operating_points():
    assert {((1, 2, 3), False), ((1, 2, 3, 5), True), ((2, 3), False), ((3, 4), False)} <= {*layouts(6)}
    assert {((1, 2, 3, 4, 6, 8), True), ((2, 4, 6, 10), True), ((4, 6, 8, 10), True)} <= {*layouts(12)}


@pytest.mark.parametrize("layers", [2, 3, 5, 8, 9, 12, 24])
@pytest.mark.parametrize("kind", ["entropy", "mlp", "rule"])
def test_lines_fit_every_depth_and_their_scale_lets_more_words_exit(kind, layers):
    lines = list(first_lines(kind, layers))
    assert lines
    for line in lines:
        assert 0 < line.base.gates[0] <= line.base.gates[-1] < layers
        low, high = (line.at(scale).settings()[line.name] for scale in (line.scales[0], line.scales[-1]))
        assert low < high


def test_variations_change_one_setting():
    (line,) = [one for one in first_lines("entropy", 6) if one.base.gates == (1, 2, 3) and one.shape[0] == 1]
    at = [one.at(0.1).controller for one in variations(line)]
    assert {one.neighbours for one in at} == {0, 1, 2}
    assert {one.exit_entities for one in at} == {True, False}
    assert {round(one.max_entropy[1] / one.max_entropy[0], 3) for one in at} == {1.0, 1.3, 2.0, 3.0}
    rule = Strategy("rule", (2,), RuleController())
    assert {one.at(0.5).controller.lambda_ for one in variations(Line(rule, "lambda_", (0.0, 1.0)))} == {0.5}


def test_under_a_trigger_fewer_windows_are_doubtful_along_the_line():
    base = Strategy("entropy", (1, 2), EntropyController((0.1, 1.0)), "fast")
    scales = {line.base.recovery.trigger: line.scales for line in recovery_lines(base)}
    assert scales["confidence"][0] > scales["confidence"][-1]
    assert scales["entropy_spike"][0] < scales["entropy_spike"][-1]
    thresholds = {one.base.controller.max_entropy for one in recovery_lines(base)}
    assert sorted(round(first, 3) for first, end in thresholds if end == 1) == [0.1, 0.16, 0.25]
