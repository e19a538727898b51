"""From a checkpoint and plain texts to a model folder with gates, operating points and a card."""

import copy
import json
import re
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

import engine as package
from engine import InputError, load_engine
from engine.pytorch.checkpoint import load_weights
from engine.training import trainer
from engine.training.accelerate import accelerate, main
from engine.training.examples import make_examples
from engine.training.heads import TrainableModel
from engine.training.options import TrainingConfig
from engine.training.trainer import Trainer
from tests.conftest import contents, scaled
from tests.engine.training.conftest import quick
from tests.engine.training.corpora import made_up

TEXT = "Famotidine had delirium."
FAST = {"epochs": 2, "max_f1_drop": (5.0, 20.0, 60.0)}


def run(checkpoint, out, texts=None, **settings):
    """Runs `accelerate`; returns its folder."""
    return accelerate(checkpoint, made_up(360) if texts is None else texts, out, **FAST | settings)


def probabilities(folder):
    return load_engine(folder).tag(TEXT, "dense").probabilities


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        yield


@pytest.fixture(scope="module")
def fast(easy_folder, tmp_path_factory):
    return run(easy_folder, tmp_path_factory.mktemp("fast") / "model")


def test_a_run_that_reaches_no_point_says_what_to_change_and_fails(easy_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.training.stages.run_stages", lambda *_: [])
    (tmp_path / "texts.txt").write_text("\n".join(made_up(360)))
    out = tmp_path / "new"
    options = ["--lines", "--texts", str(tmp_path / "texts.txt"), "--out", str(out)]
    assert main([str(easy_folder), *options]) == 1
    said = capsys.readouterr().err
    assert "keep your checkpoint" in said
    assert f"Next: bioner calibrate --model {out} --texts FILE --max-f1-drop " in said


def test_the_encoder_learns_and_its_full_pass_stays_close_to_the_checkpoints(fast, easy_folder):
    assert "entropy" in load_engine(fast).runnable
    before, after = (load_weights(folder).model.encoder.state_dict() for folder in (easy_folder, fast))
    assert not any(torch.equal(before[name], after[name]) for name in before if ".output.dense.weight" in name)
    np.testing.assert_allclose(probabilities(fast), probabilities(easy_folder), atol=0.1)


def test_the_card_says_what_was_measured_of_each_stored_operating_point(fast):
    page, stored = (fast / "README.md").read_text(), load_engine(fast).points["entropy"]
    assert stored
    assert "measured, batch 1 | measured, batch 32 |" in page
    number = r"[-\d.]+"
    lost = rf"{number} ± {number} \| {number}; {number}"
    for point in stored:
        assert re.search(rf"\| `{point}` \({number}\) \| {lost} \| \d+% \| {number}× \| 1\.10×", page)
    assert all(part in page for part in ("Chemical", "Disease", "engine.accelerate("))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": "Nausea."}, "one string"),
        ({"texts": made_up(60) * 6}, "20 texts with 20 windows.* Give 300 texts like these"),
        ({"held_out": made_up(60, seed=1) * 6}, "60 texts with 60 windows.* Give more after --held-out"),
        ({"texts": ["nausea " * 9000, "delirium " * 9000, "mg " * 9000]}, "1 texts with .* Give 6 texts like these"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"max_f1_drop": (1.0, 0.3, 0.1)}, "--max-f1-drop takes 3 ascending numbers"),
        ({"student": "/no/such"}, "no folder '/no/such'"),
    ],
)
def test_rejects_what_it_cannot_use_and_writes_nothing(changes, message, easy_folder, tmp_path):
    with pytest.raises(InputError, match=message):
        run(**{"checkpoint": easy_folder, "out": tmp_path / "out"} | changes)
    assert not (tmp_path / "out").exists()


def test_in_python_a_model_and_its_tokenizer_are_made_fast(easy_folder, tmp_path, caplog, capsys):
    caplog.set_level("INFO", "engine.training")
    model = AutoModelForTokenClassification.from_pretrained(easy_folder)
    model.name_or_path = ""  # as of a model that was never saved
    pair = model, AutoTokenizer.from_pretrained(easy_folder)
    folder = package.accelerate(pair, made_up(360), tmp_path / "fast", **FAST)
    np.testing.assert_allclose(probabilities(folder), probabilities(easy_folder), atol=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["fast"]
    assert "engine.accelerate('a model in memory', texts" in (folder / "README.md").read_text()
    assert all(part in caplog.text for part in ("train for 2 epochs", "depend on chance", "Next: bioner tag"))
    assert capsys.readouterr().out == ""


def test_a_run_that_was_cut_while_training_goes_on_and_ends_like_one_that_was_not(easy_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CHECKPOINT_S", 0)  # after every step
    run(easy_folder, tmp_path / "whole", epochs=1)
    step, left = Trainer.step, iter(range(3))

    def cut_short(training, batch):
        return step(training, batch) if next(left, None) is not None else interrupted()

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            run(easy_folder, tmp_path / "cut", epochs=1)
    labels = tmp_path / "cut" / "training" / "labels.npz"
    labelled = labels.stat().st_mtime_ns
    run(easy_folder, tmp_path / "cut", epochs=1, resume=True)
    assert labels.stat().st_mtime_ns == labelled
    cut, whole = (
        {record["step"]: record["loss"] for record in map(json.loads, log.read_text().splitlines())}
        for log in (tmp_path / name / "training" / "log.jsonl" for name in ("cut", "whole"))
    )
    assert cut == pytest.approx(whole, abs=1e-3)
    assert not (tmp_path / "cut" / "training" / "checkpoint.pt").exists()


def test_a_run_goes_on_only_from_what_it_began_with_and_not_after_its_end(easy_folder, fast, tmp_path, monkeypatch):
    checkpoint, out = shutil.copytree(easy_folder, tmp_path / "checkpoint"), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", interrupted)
        for resume in (False, True):
            with pytest.raises(KeyboardInterrupt):
                run(checkpoint, out, resume=resume)
    with pytest.raises(InputError, match="with texts"):
        run(checkpoint, out, made_up(400), resume=True)
    scaled(checkpoint, "model.safetensors", 1.01)
    with pytest.raises(InputError, match=r"model\.weights"):
        run(checkpoint, out, resume=True)
    shutil.copytree(fast, tmp_path / "ended")
    before = contents(tmp_path / "ended")
    with pytest.raises(InputError, match=r"has ended.*bioner calibrate"):
        run(easy_folder, tmp_path / "ended", resume=True)
    assert contents(tmp_path / "ended") == before


def steps_of(folder):
    *_, last = (folder / "training" / "log.jsonl").read_text().splitlines()
    return json.loads(last)["step"]


def test_the_same_command_takes_the_same_steps_to_the_same_weights_and_epochs_are_passes(fast, easy_folder, tmp_path):
    run(easy_folder, tmp_path / "again")
    run(easy_folder, tmp_path / "longer", epochs=4)
    assert steps_of(tmp_path / "again") == steps_of(fast)
    assert steps_of(tmp_path / "longer") == pytest.approx(2 * steps_of(fast), rel=0.1)
    first, again = (load_weights(folder).model.state_dict() for folder in (fast, tmp_path / "again"))
    for name in first:
        torch.testing.assert_close(first[name], again[name])
    assert load_engine(fast).points == load_engine(tmp_path / "again").points


@pytest.mark.parametrize(("step", "rate"), [(0, 0), (5, 0.5), (10, 1), (55, 0.5), (100, 0)])
def test_the_learning_rate_rises_for_a_tenth_of_the_steps_and_ends_at_zero(
    step, rate, weights, engine, tokenizer, tmp_path
):
    examples = make_examples(["nausea"], np.array([[255, 0, 0, 0, 0]], np.uint8), engine.pieces)
    trainable = TrainableModel(copy.deepcopy(weights.model), tokenizer, engine.pieces)
    training = Trainer(TrainingConfig(out=str(tmp_path), epochs=100), trainable, soft=examples, work=tmp_path)
    assert training.rate(step) == pytest.approx(rate)
