import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from engine.training.points import store_points

from engine import load_engine
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.resolve import resolve
from engine.pruning.strategy import Strategy
from engine.training import calibrate
from engine.training.calibrate import looser, main, variations
from tests.conftest import SAMPLE, TEXT, contents


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
    assert list(points) == ["careful", "balanced", "fast"]
    engine = load_engine(folder)  # the checksums were renewed
    assert engine.strategy("entropy", "fast") == Strategy.from_json(points["fast"])
    with (folder / "frontier.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [Strategy.from_json(json.loads(row["settings"])) for row in rows]
    assert set(grid) <= set(found)
    assert {strategy.context for strategy in found} == {"drop", "freeze"}
    assert len(set(found)) == len(found) > 20
    speedups = {strategy: float(row["theoretical_speedup"]) for strategy, row in zip(found, rows, strict=True)}
    assert speedups[grid[0]] < speedups[grid[2]]
    assert "entropy fast: F1" in capsys.readouterr().out
    before = contents(folder)
    for drops, message in (
        ("0.1", "expected 3 numbers after --max-f1-drop, got '0.1'"),
        ("nan,nan,nan", "expected 3 numbers after --max-f1-drop, got 'nan,nan,nan'"),
        ("1,0.3,0.1", "expected ascending points to lose, got [1.0, 0.3, 0.1]; write the smallest first"),
    ):
        assert main([*options, "--max-f1-drop", drops]) == 2
        assert message in capsys.readouterr().err
    assert contents(folder) == before


def test_an_interruption_while_points_are_stored_leaves_a_folder_that_loads(model_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    write_text = Path.write_text

    def interrupted(path, text, **options):
        write_text(path, text[:5], **options)
        raise KeyboardInterrupt

    first, second = ({"entropy": {"fast": resolve("entropy", layers, {}).to_json()}} for layers in (3, 6))
    store_points(folder, first)
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store_points(folder, second)
    assert contents(folder) == before
    assert load_engine(folder).points == first


@pytest.mark.parametrize("text", ["", "1|t|Nausea.\n1|a|\n", "1|t|Nausea.\n1|a|\n1\t0\t6\tNausea\tDISEASE\t-1\n"])
def test_gold_of_which_dense_finds_nothing_chooses_no_points(model_folder, tmp_path, text, capsys):
    """A corpus of other types, or without entities: every setting would lose nothing."""
    folder = shutil.copytree(model_folder, tmp_path / "model")
    store_points(folder, {"entropy": {"fast": resolve("entropy", 3, {}).to_json()}})
    before = contents(folder)
    (tmp_path / "other.txt").write_text(text)
    options = ["--model", str(folder), "--corpus", str(tmp_path / "other.txt"), "--strategies", "entropy"]
    assert main(options) == 2
    assert re.search(r"expected gold entities of .*other\.txt that .* finds, got none", capsys.readouterr().err)
    assert contents(folder) == before


def test_a_model_without_gates_is_refused(plain_folder, capsys):
    assert main(["--model", str(plain_folder), "--corpus", str(SAMPLE)]) == 2
    assert "expected a model with gates" in capsys.readouterr().err


@pytest.mark.parametrize("name", CONTROLLERS)
def test_candidates_fit_the_encoder(name):
    for layers in (3, 6, 12):
        found = list(calibrate.candidates(name, layers))
        assert found
        assert all(strategy.gates[-1] < layers for strategy in found)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_variations_change_one_knob_and_keep_thresholds_with_their_gates(name):
    for strategy in list(calibrate.candidates(name, 6))[:4]:
        varied = list(variations(strategy))
        assert strategy not in varied
        for other in varied:
            differing = {name for name, value in strategy.settings().items() if other.settings()[name] != value}
            assert len(differing - {"gates"}) <= 1
    exit_last = Strategy("entropy", (1, 3, 5), EntropyController((0.1, 0.2, 1.0)))
    shorter = {s.gates: s.controller.max_entropy for s in variations(exit_last) if len(s.gates) == 2}
    assert shorter == {(3, 5): (0.2, 1.0), (1, 5): (0.1, 1.0), (1, 3): (0.1, 0.2)}
    moved = {s.gates: s.controller.max_entropy for s in variations(exit_last) if len(s.gates) == 3} | {(1, 3, 5): None}
    assert set(moved) == {(1, 3, 5), (2, 3, 5), (1, 2, 5), (1, 4, 5), (1, 3, 4)}
    assert moved[1, 3, 4] == (0.1, 0.2, 1.0)
    added = {s.gates: s.controller.max_entropy for s in variations(exit_last) if len(s.gates) == 4}
    assert added == {(1, 2, 3, 5): (0.1, 0.1, 0.2, 1.0), (1, 3, 4, 5): (0.1, 0.2, 0.2, 1.0)}
    before_the_first = [s.controller.max_entropy for s in variations(Strategy("entropy", (3,), EntropyController(0.1)))]
    assert (0.1, 0.1) in before_the_first


def test_looser_settings_let_more_leave_and_an_end_stays_one():
    assert [s.controller.max_entropy for s in looser(Strategy("entropy", (1, 3), EntropyController((0.2, 1.0))))] == [
        (pytest.approx(0.32), 1.0),
        (0.5, 1.0),
    ]
    assert [s.controller.lambda_ for s in looser(resolve("rule", 6, {}))] == [0.25, 0.5]


def test_points_may_be_chosen_by_agreement_on_plain_text(model_folder, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    grid = [Strategy("entropy", (1, 2), EntropyController(value, 0, True)) for value in (0.001, 0.5)]
    monkeypatch.setattr(calibrate, "candidates", lambda name, layers: grid)
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{word} after nausea and {word}\n" for word in ("famotidine", "delirium", "hypotension")))
    options = ["--model", str(folder), "--texts", str(texts), "--strategies", "entropy"]
    assert main([*options, "--max-f1-drop", "0.5,100,100"]) == 0
    points = {name: Strategy.from_json(of) for name, of in load_engine(folder).points["entropy"].items()}
    engine = load_engine(folder)
    for text in texts.read_text().splitlines():
        dense = [entity.key for entity in engine.tag(text, "dense").entities]
        assert dense, "nothing to agree with"
        assert [entity.key for entity in engine.tag(text, points["careful"]).entities] == dense
    assert "F1 1.0000, 0.00 ± 0.00 points lost" in capsys.readouterr().out


def test_a_point_stored_before_stays_where_nothing_better_is_found(model_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    before = Strategy("entropy", (2,), EntropyController(0.01, 0, True), "fast")
    store_points(folder, {"entropy": {"fast": before.to_json()}})
    worse = Strategy("entropy", (1,), EntropyController(1.0, exit_entities=True))
    monkeypatch.setattr(calibrate, "candidates", lambda name, layers: [worse])
    monkeypatch.setattr(calibrate, "variations", lambda strategy: [])
    (tmp_path / "texts.txt").write_text("\n".join(TEXT[at:] for at in range(0, 60, 6)))
    options = ["--texts", str(tmp_path / "texts.txt"), "--strategies", "entropy"]
    assert main(["--model", str(folder), *options, "--max-f1-drop", "0,0,50"]) == 0
    assert load_engine(folder).strategy("entropy", "fast") == before


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
    # Two searches at once: neither loses the other's points.
    before = json.loads((folder / "operating_points.json").read_text())
    store_points(folder, {"mlp": {"fast": {}}})
    assert json.loads((folder / "operating_points.json").read_text()) == before | {"mlp": {"fast": {}}}
    store_points(folder, {"mlp": {}})
    assert json.loads((folder / "operating_points.json").read_text()) == before
    assert main(["--model", str(folder), "--corpus", str(small), "--strategies", "mlp"]) == 2
    assert "python -m engine.training.controller" in capsys.readouterr().err
