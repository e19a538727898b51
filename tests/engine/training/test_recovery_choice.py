"""Recovery is searched together with the gates' thresholds; one that hardly ever fires is rejected."""

import csv
import json
import shutil
from types import SimpleNamespace

import pytest

from engine import load_engine
from engine.checksums import write_checksums
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.text.documents import Document
from engine.text.scoring import Counts
from engine.training import controller, recovery
from engine.training.calibrate import describe
from engine.training.points import Reference, Tried
from engine.training.recovery import candidates, fires, vary, with_own_thresholds
from tests.conftest import SAMPLE

BASE = Strategy("entropy", (1, 2), EntropyController((0.1, 1.0)), "fast")
REFERENCE = Reference([Document("1", "")] * 100, ("T",), (Counts(10, 10, 10),) * 100)


def tried(recovery: Recovery, fired: int = 10, correct: int = 10) -> Tried:
    strategy = Strategy("entropy+recovery", (1,), EntropyController(), recovery=recovery)
    return Tried(strategy, (Counts(correct, 10, 10),) * 100, Cost((1,), 1, 1, 1, 2), fired)


def test_candidates_join_every_trigger_with_the_thresholds_of_the_point_and_looser_ones():
    found = list(candidates([BASE]))
    assert {one.controller.max_entropy for one in found} == {(0.1, 1.0), (0.16000000000000003, 1.0), (0.25, 1.0)}
    assert {one.recovery.trigger for one in found} == {"confidence", "entropy_spike", "entity_loss"}
    assert {one.name for one in found} == {"entropy+recovery"}
    assert len(set(found)) == len(found) == 3 * 2 * (5 + 5 + 1)


def test_variations_change_the_recovery_or_the_gates():
    (first, *_) = candidates([BASE])
    varied = list(vary(first))
    assert first not in varied
    assert {one.recovery.recovery_limit for one in varied} == {16, 32, 64, 128}
    assert len({one.recovery.min_confidence for one in varied}) == 5
    assert {one.gates for one in varied} == {(1, 2), (1,), (2,)}


def test_any_trigger_has_no_threshold_to_vary():
    (first, *_) = candidates([BASE])
    varied = list(vary(first.with_settings(trigger="any")))
    assert {one.recovery.recovery_limit for one in varied} == {16, 32, 64, 128}
    assert len({one.recovery.min_confidence for one in varied}) == 1


def test_recovery_must_fire_in_some_documents():
    assert not fires(tried(Recovery("confidence"), fired=1))
    assert fires(tried(Recovery("confidence"), fired=2))


def test_triggers_that_were_not_chosen_keep_the_threshold_that_loses_least():
    chosen = tried(Recovery("confidence", min_confidence=0.6))
    others = [
        tried(Recovery("entropy_spike", max_rise=0.05), correct=9),
        tried(Recovery("entropy_spike", max_rise=0.2), correct=10),
    ]
    stored = with_own_thresholds(chosen.strategy, [chosen, *others], REFERENCE)
    assert stored.recovery == Recovery("confidence", min_confidence=0.6, max_rise=0.2)
    every = chosen.strategy.with_settings(trigger="any")
    assert with_own_thresholds(every, [chosen, *others], REFERENCE) == every, "as it was measured: all of them fire"


def test_recovery_is_stored_beside_the_points_and_compared_with_them(model_folder, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    base = Strategy("entropy", (1, 2), EntropyController(0.45, 0, True, 0.2), "balanced")
    (folder / "operating_points.json").write_text(json.dumps({"entropy": {"balanced": base.to_json()}}))
    write_checksums(folder)
    monkeypatch.setattr(recovery, "vary", lambda strategy: [])
    small = tmp_path / "small.txt"
    small.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[:4]))
    options = ["--model", str(folder), "--corpus", str(small)]
    assert recovery.main([*options, "--max-f1-drop", "100,100,100"]) == 0
    engine = load_engine(folder)
    assert list(engine.points) == ["entropy", "entropy+recovery"]
    assert engine.strategy("entropy+recovery", "balanced").recovery is not None
    assert "× without recovery (" in capsys.readouterr().out
    with (folder / "recovery.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["trigger"] for row in rows} == {"confidence", "entropy_spike", "entity_loss"}
    assert len({Strategy.from_json(json.loads(row["settings"])) for row in rows}) == len(rows), "rows that look alike"


def test_a_strategy_without_points_is_refused(model_folder, capsys):
    assert recovery.main(["--model", str(model_folder), "--corpus", str(SAMPLE)]) == 2
    assert "expected operating points of entropy" in capsys.readouterr().err


def test_a_strategy_that_recovers_already_is_refused(model_folder, capsys):
    options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--strategy", "entropy+recovery"]
    assert recovery.main(options) == 2
    assert (
        "expected a strategy without recovery, got 'entropy+recovery'; leave +recovery out" in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", [recovery.main, controller.main])
def test_a_hub_id_is_refused_before_anything_is_searched_or_learned(command, capsys, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("Nausea after aspirin.\n")
    assert command(["--model", "user/name", "--texts", str(texts)]) == 2
    assert "expected a model folder, got 'user/name'; download the model first" in capsys.readouterr().err


def test_where_nothing_fires_often_enough_no_setting_is_called_the_closest():
    nothing = SimpleNamespace(
        chosen=dict, measured=list, best=lambda: [tried(Recovery("confidence"), fired=0)], reference=REFERENCE
    )
    assert list(describe(nothing, "entropy+recovery")) == [
        f"entropy+recovery {point}: no setting brings words back in enough documents" for point in OPERATING_POINTS
    ]
