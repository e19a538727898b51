"""Which settings are tried, on how many texts, in what time; and which become operating points."""

import math
import time
from types import SimpleNamespace

import pytest

from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.strategy import Strategy
from engine.runs import Log
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from engine.training import sweep as sweeping
from engine.training.sweep import Sweep, first_lines, layouts, recoveries, variations
from engine.training.trials import OutOfTimeError, Reference, Trial, choose

LIMITS = (1.0, 3.0, 9.0)
FIRING = True
ENGINE = SimpleNamespace(encoder=SimpleNamespace(num_layers=6))


def strictness(strategy: Strategy) -> float:
    """0 for a setting at which nothing exits, growing with its thresholds; two neighbours lose least."""
    thresholds = strategy.settings()["max_entropy"]
    return sum(thresholds) / len(thresholds) * (1 + strategy.gates[-1]) / 10


@pytest.fixture
def runs(monkeypatch):
    """Trials that cost nothing: speed and loss grow with the thresholds; says which ran on how many texts."""
    runs: list[tuple[Strategy, int]] = []

    def measure(_, reference, strategies, begin=0, end=None, *, progress="", deadline=math.inf):
        found = []
        for strategy in strategies:
            if time.monotonic() > deadline:
                raise OutOfTimeError
            documents = reference.documents[begin:end]
            share = min(0.9, strictness(strategy))
            factor = {0: 0.6, 1: 0.5, 2: 0.4}[strategy.settings()["neighbours"]]
            wrong = [int(100 * share * factor + (int(one.id) * 7919 % 100) / 100) for one in documents]
            counts = tuple(Counts(max(0, 100 - of), 100, 100) for of in wrong)
            macs = round(1000 * len(documents) / (1 + 4 * share))
            fired = len(documents) // 2 if strategy.recovery and FIRING else 0
            kept = round(6 * len(documents) * (1 - share))
            runs.append((strategy, len(documents)))
            cost = Cost((1,), kept, 6 * len(documents), macs, 1000 * len(documents))
            found.append(Trial(strategy, counts, cost, fired))
        return found

    monkeypatch.setattr(sweeping, "measure", measure)
    return runs


def reference(documents: int) -> Reference:
    of = [Document(str(i), "word " * 240, (Entity(0, 4, "T", "word"),)) for i in range(documents)]
    return Reference(of, ("T",), (Counts(100, 100, 100),) * documents)


def test_most_settings_run_on_some_sixty_texts_and_a_dozen_on_all(runs):
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep.run("entropy")
    sizes = [size for _, size in runs]
    assert 55 <= sizes[0] <= 65
    assert set(sizes) == {sizes[0], 500 - sizes[0]}
    assert len(sweep.trials("entropy")) <= 24 < 50 < len(sweep.sampled)
    assert all(len(one.counts) == 500 for one in sweep.trials("entropy"))


def test_operating_points_come_close_to_the_fastest_setting_within_each_limit(runs):
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep.run("entropy")
    found = sweep.chosen("entropy")
    assert list(found) == ["careful", "balanced", "fast"]
    base = Strategy("entropy", (1,), EntropyController((1.0,), 2, exit_entities=True))
    grid = [base.with_settings(max_entropy=(value / 500,)) for value in range(1, 500)]
    best = choose(sweeping.measure(None, sweep.reference, grid), sweep.reference, LIMITS)
    for (point, one), limit in zip(found.items(), LIMITS, strict=True):
        assert one.loss_bound(sweep.reference) <= limit
        assert one.theoretical_speedup > 0.9 * best[point].theoretical_speedup


def test_few_texts_are_all_a_sample(runs):
    sweep = Sweep(ENGINE, reference(40), LIMITS)
    sweep.run("entropy")
    assert {size for _, size in runs} == {40}
    assert sweep.chosen("entropy")


def test_a_sweep_ends_in_time_and_chooses_among_what_was_measured(runs, monkeypatch):
    fast = sweeping.measure

    def slow(*arguments, **settings):
        time.sleep(0.05)
        return fast(*arguments, **settings)

    monkeypatch.setattr(sweeping, "measure", slow)
    begin = time.monotonic()
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep.run("entropy", seconds=0.4)
    assert time.monotonic() - begin < 5
    assert sweep.missed("entropy")
    assert not sweep.missed("rule")
    assert sweep.trials("entropy")


def test_a_limit_that_no_line_has_met_on_the_sample_is_still_searched_for(runs):
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep._try([(line, line.scales[-1]) for line in first_lines("entropy", 6)], sweep.sample_size, math.inf)
    for count, share in sweeping.FINALISTS:
        sweep._run_finalists("entropy", count, share, math.inf)
    assert list(sweep.chosen("entropy")) == ["careful", "balanced", "fast"]


def test_an_interrupted_sweep_measures_nothing_twice(runs, tmp_path):
    first = Sweep(ENGINE, reference(500), LIMITS, log=Log(tmp_path / "log"))
    first.run("entropy")
    lines = (tmp_path / "log").read_text()
    (tmp_path / "log").write_text(lines[: len(lines) // 2])
    before = len(runs)
    for expected in (range(1, before), range(1)):
        runs.clear()
        again = Sweep(ENGINE, reference(500), LIMITS, log=Log(tmp_path / "log"))
        again.run("entropy")
        assert len(runs) in expected
        assert again.chosen("entropy")["fast"].strategy == first.chosen("entropy")["fast"].strategy


def test_stored_operating_points_run_on_all_texts(runs):
    stored = Strategy("entropy", (4,), EntropyController((0.3,), 2, exit_entities=True), "fast")
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep.run("entropy", [stored])
    assert stored.with_settings(max_entropy=(0.3,)).gates in {one.strategy.gates for one in sweep.trials("entropy")}
    assert runs[0][0].point == ""


def test_recovery_is_swept_over_triggers_on_the_best_gates_and_looser_ones(runs):
    sweep = Sweep(ENGINE, reference(500), LIMITS)
    sweep.run("entropy+recovery")
    tried = [strategy for strategy in sweep.sampled if strategy.name == "entropy+recovery"]
    assert {strategy.recovery.trigger for strategy in tried} == set(TRIGGERS)
    assert sweep.chosen("entropy+recovery")["fast"].strategy.recovery is not None


def test_recovery_that_hardly_ever_fires_is_no_operating_point(runs, monkeypatch):
    monkeypatch.setitem(globals(), "FIRING", False)
    sweep = Sweep(ENGINE, reference(100), LIMITS)
    sweep.run("entropy+recovery")
    assert sweep.chosen("entropy+recovery") == {}
    assert sweep.closest("entropy+recovery") is None


def test_layouts_hold_those_of_published_operating_points():
    assert {((1, 2, 3), False), ((1, 2, 3, 5), True), ((1, 2, 3, 4), True), ((2, 3), False), ((3, 4), False)} <= set(
        layouts(6)
    )
    deep = {(1, 2, 3, 4, 6, 8), (1, 2, 3, 4, 5, 8), (2, 4, 6, 10), (4, 6, 8, 10)}
    assert deep <= {gates for gates, ends in layouts(12) if ends}


def test_lines_of_mlp_hold_its_published_layouts_with_and_without_entities_that_exit():
    lines = list(first_lines("mlp", 6))
    found = {(line.base.gates, line.base.controller.exit_entities, math.inf in line.shape) for line in lines}
    assert {((2,), False, False), ((2, 3), True, False), ((1, 2, 3, 4), True, True)} <= found
    assert all(sum(0.005 < scale < 0.04 for scale in line.scales) > 2 for line in lines)


@pytest.mark.parametrize("layers", [2, 3, 4, 5, 6, 7, 8, 9, 12, 24])
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
    at = {one.at(0.1) for one in variations(line)}
    assert {one.context for one in at} == {"drop", "freeze"}
    assert {one.controller.neighbours for one in at} == {0, 1, 2}
    assert {one.controller.exit_entities for one in at} == {True, False}
    ratios = {round(one.controller.max_entropy[1] / one.controller.max_entropy[0], 3) for one in at}
    assert ratios == {1.0, 1.3, 2.0, 3.0}
    rule = Strategy("rule", (2,), RuleController())
    assert {one.at(0.5).controller.lambda_ for one in variations(sweeping.Line(rule, "lambda_", (0.0, 1.0)))} == {0.5}


def test_under_a_trigger_fewer_windows_are_doubtful_along_the_line():
    base = Strategy("entropy", (1, 2), EntropyController((0.1, 1.0)), "fast")
    lines = {line.base.recovery.trigger: line for line in recoveries(base)}
    scales = {name: (line.name, line.scales[0], line.scales[-1]) for name, line in lines.items()}
    assert scales["confidence"][1] > scales["confidence"][2]
    assert scales["entropy_spike"][1] < scales["entropy_spike"][2]
    thresholds = {one.base.controller.max_entropy for one in recoveries(base)}
    assert sorted(round(first, 3) for first, end in thresholds if end == 1) == [0.1, 0.16, 0.25]
    assert all(isinstance(line.at(line.scales[0]).recovery, Recovery) for line in lines.values())
