import csv
import json
import shutil

import pytest

from engine import load_engine
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.resolve import resolve
from engine.pruning.strategy import Strategy
from engine.text.scoring import Counts
from engine.training import calibrate
from engine.training.calibrate import Tried, choose, main, variations
from tests.conftest import SAMPLE


def tried(f1: float, speedup: float, uneven: int = 0) -> Tried:
    """A setting with this F1, in two documents that lose alike or, by so many mentions, unlike."""
    correct = round(f1 * 10_000)
    counts = (Counts(correct + uneven, 10_000, 10_000), Counts(correct - uneven, 10_000, 10_000))
    return Tried(Strategy("entropy", (1,), EntropyController(speedup / 10)), counts, 1 / speedup, speedup)


DENSE = tried(0.80, 1.0)


def test_a_point_is_the_fastest_setting_within_its_drop():
    settings = [tried(0.80, 1.0), tried(0.798, 2.0), tried(0.7999, 1.5), tried(0.79, 3.0), tried(0.7, 9.0)]
    chosen = choose(settings, DENSE, (0.11, 0.3, 1.01))
    assert {point: one.theoretical_speedup for point, one in chosen.items()} == {
        "exact": 1.5,
        "balanced": 2.0,
        "fast": 3.0,
    }
    assert chosen["fast"].strategy.point == "fast"


def test_a_point_that_no_setting_reaches_is_left_out():
    assert list(choose([tried(0.795, 2.0)], DENSE, (0.1, 0.3, 1.0))) == ["fast"]


def test_a_loss_counts_together_with_its_standard_error():
    assert list(choose([tried(0.7985, 2.0)], DENSE, (0.1, 0.3, 1.0))) == ["balanced", "fast"]
    assert list(choose([tried(0.7985, 2.0, uneven=40)], DENSE, (0.1, 0.3, 1.0))) == ["fast"]


def test_of_settings_that_are_nearly_as_fast_the_one_that_loses_least_is_taken():
    fastest, safer, slower = tried(0.7985, 2.0), tried(0.7995, 1.95), tried(0.8, 1.9)
    for slack, best in ((0.0, fastest), (0.03, safer), (0.06, slower)):
        assert choose([fastest, safer, slower], DENSE, (0.3, 0.3, 0.3), slack)["balanced"].f1 == best.f1


def test_points_are_stored_with_the_weights_and_used(model_folder, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    grid = [Strategy("entropy", (1, 2), EntropyController(value, 0, True)) for value in (0.2, 0.35, 0.5)]
    monkeypatch.setattr(calibrate, "candidates", lambda name, layers: grid)
    monkeypatch.setattr(calibrate, "runnable", lambda engine: ["entropy"])
    small = tmp_path / "small.txt"
    small.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:3]))
    options = ["--model", str(folder), "--corpus", str(small)]
    assert main([*options, "--max-f1-drop", "50,60,100"]) == 0
    points = json.loads((folder / "operating_points.json").read_text())["entropy"]
    assert list(points) == ["exact", "balanced", "fast"]
    engine = load_engine(folder)  # the checksums were renewed
    assert engine.strategy("entropy", "fast") == Strategy.from_json(points["fast"])
    with (folder / "frontier.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [Strategy.from_json(json.loads(row["settings"])) for row in rows]
    assert found[:3] == grid
    assert {strategy.context for strategy in found} == {"drop", "freeze"}
    assert len(set(found)) == len(found) > 20
    assert float(rows[0]["theoretical_speedup"]) < float(rows[2]["theoretical_speedup"])
    assert "entropy fast: F1" in capsys.readouterr().out
    assert main([*options, "--max-f1-drop", "0.1"]) == 2
    assert "expected 3 numbers after --max-f1-drop" in capsys.readouterr().err


def test_a_model_without_gates_is_refused(plain_folder, capsys):
    assert main(["--model", str(plain_folder), "--corpus", str(SAMPLE)]) == 2
    assert "expected a model with gates" in capsys.readouterr().err


@pytest.mark.parametrize("name", CONTROLLERS)
def test_candidates_fit_the_encoder(name):
    for layers in (3, 6, 12):
        assert all(strategy.gates[-1] < layers for strategy in calibrate.candidates(name, layers))


@pytest.mark.parametrize("name", CONTROLLERS)
def test_variations_change_one_knob_and_keep_thresholds_with_their_gates(name):
    for strategy in list(calibrate.candidates(name, 6))[:4]:
        varied = list(variations(strategy))
        assert strategy not in varied
        for other in varied:
            differing = {name for name, value in strategy.knobs().items() if other.knobs()[name] != value}
            assert len(differing - {"gates"}) <= 1
    exit_last = Strategy("entropy", (1, 3, 5), EntropyController((0.1, 0.2, 1.0)))
    shorter = {s.gates: s.controller.max_entropy for s in variations(exit_last) if len(s.gates) == 2}
    assert shorter == {(3, 5): (0.2, 1.0), (1, 5): (0.1, 1.0), (1, 3): (0.1, 0.2)}


def test_only_the_strategies_asked_for_are_searched_and_the_others_stay(model_folder, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    small = tmp_path / "small.txt"
    small.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:2]))
    for name in ("rule", "entropy"):
        monkeypatch.setattr(calibrate, "candidates", lambda name, layers: [resolve(name, layers, {})])
        options = ["--corpus", str(small), "--max-f1-drop", "100,100,100", "--strategies", name]
        assert main(["--model", str(folder), *options]) == 0
    assert set(json.loads((folder / "operating_points.json").read_text())) == {"rule", "entropy"}
    with (folder / "frontier.csv").open() as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"rule", "entropy"}
    assert main(["--model", str(folder), "--corpus", str(small), "--strategies", "mlp"]) == 2
    assert "python -m engine.training.controller" in capsys.readouterr().err
