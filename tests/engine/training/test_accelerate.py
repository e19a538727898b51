"""From a checkpoint and plain texts to a model folder with gates, operating points and a card."""

import itertools
import json
import math
import random
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertForTokenClassification

import engine as package
from engine import InputError, load_engine
from engine.checkpoint import load_weights
from engine.checksums import write_checksums
from engine.data.texts import read_texts
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.runs import Log, locked
from engine.text.scoring import Counts
from engine.training import accelerate as accelerating
from engine.training import card as cards
from engine.training import distill
from engine.training.accelerate import AccelerateConfig, _run, main
from engine.training.card import Facts, Row, card, measure_rows, speedups
from engine.training.data import split_texts
from engine.training.distill import copy_checkpoint, plan_steps
from engine.training.sweep import first_lines
from engine.training.trials import Trial
from tests.conftest import SAMPLE, scaled
from tests.engine.model.families import huggingface, tiny, tokenizer_of

WORDS = ("famotidine", "delirium", "patients", "nausea", "hypotension", "and", "after", "with", "20", "mg", "had")
TEXT = "Famotidine had delirium."


def write_texts(path, count, seed=0):
    rng = random.Random(seed)
    path.write_text("".join(" ".join(rng.choices(WORDS, k=rng.randint(4, 12))) + ".\n" for _ in range(count)))
    return path


def run(checkpoint, texts, out, *, resume=False, held_out=(), **changes):
    settings = {"minutes": 0.02, "mixed_precision": "no", "max_f1_drop": (5.0, 20.0, 60.0)} | changes
    config = AccelerateConfig(checkpoint=str(checkpoint), out=str(out), **settings)
    return _run(config, str(checkpoint), read_texts([texts]), held_out, "command", resume=resume)


def probabilities(folder):
    return load_engine(folder).tag(TEXT, "dense").probabilities


def facts_of(out):
    return json.loads((out / "training" / "facts.json").read_text())


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.txt", 360)


@pytest.fixture(scope="module")
def plain_folder(plain_folder, tmp_path_factory):
    """A checkpoint whose layers change little, so that early ones predict the final output."""
    folder = shutil.copytree(plain_folder, tmp_path_factory.mktemp("checkpoint") / "plain")
    model = BertForTokenClassification.from_pretrained(folder)
    for name, parameter in model.named_parameters():
        if ".output.dense." in name:
            parameter.data *= 0.1
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def checkpoint(plain_folder, tmp_path):
    """A copy to change."""
    return shutil.copytree(plain_folder, tmp_path / "checkpoint")


def few_settings(sweep, name, *_, **__):
    """Takes the place of `Sweep.run`."""
    lines = first_lines(name, sweep.engine.sizes.layers)
    sweep._measure([line.at(scale) for line in lines for scale in (0.06, 0.54)], sweep.total, math.inf)


def timed(ratio):
    """Takes the place of `speedups`."""
    return lambda engine, strategies, texts, batch_size: [ratio] * len(strategies)


@pytest.fixture(scope="module", autouse=True)
def _whatever_the_machine_does():
    """What is tried and measured depends neither on the machine nor on how busy it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerating.Sweep, "run", few_settings)
        patch.setattr(cards, "speedups", timed(1.01))
        patch.setattr(cards, "busy_share", lambda: 0.0)
        patch.setattr(accelerating, "TIMED_PASSES", 0.001)
        yield


@pytest.fixture(scope="module")
def frozen(plain_folder, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("frozen") / "model"
    checkpoint = shutil.copytree(plain_folder, out.parent / "checkpoint")
    rows = run(checkpoint, texts, out, frozen=True)
    shutil.rmtree(checkpoint)
    return out, rows


@pytest.fixture(scope="module")
def trained(plain_folder, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    return out, run(plain_folder, texts, out, corpus=str(SAMPLE), minutes=0.06)


@pytest.fixture
def finished(frozen, tmp_path):
    """The folder of a finished run, and the options of a command that chooses again."""
    out = shutil.copytree(frozen[0], tmp_path / "out")
    options = [str(frozen[0].parent / "checkpoint"), "--texts", "/no/such", "--out", str(out), "--resume", "--frozen"]
    return out, [*options, "--minutes", "0.02", "--mixed-precision", "no", "--max-f1-drop"]


def test_a_frozen_checkpoint_keeps_every_file_and_every_bit_of_its_dense_output(frozen, plain_folder):
    for file in plain_folder.iterdir():
        assert (frozen[0] / file.name).read_bytes() == file.read_bytes()
    np.testing.assert_array_equal(probabilities(plain_folder), probabilities(frozen[0]))


def test_trained_weights_are_stored_in_half_precision_and_load_everywhere(frozen, trained):
    for out in (frozen[0], trained[0]):
        assert {tensor.dtype for tensor in load_file(out / "gates.safetensors").values()} == {torch.float16}
        assert AutoModelForTokenClassification.from_pretrained(out).num_labels == 5
        assert "entropy" in load_engine(out).runnable
    assert {tensor.dtype for tensor in load_file(trained[0] / "model.safetensors").values()} == {torch.float16}


def test_the_card_has_agreement_and_speed_of_each_operating_point(frozen):
    out, (dense, *rows) = frozen
    assert (dense.name, dense.trial.f1, dense.error) == ("dense", 1.0, 0.0)
    stored = load_engine(out).points["entropy"]
    assert stored
    for row in rows:
        assert row.reached == (row.name in stored)
        assert row.trial.theoretical_speedup > 1
        assert all(ratio <= cards.NOISE * row.trial.theoretical_speedup for ratio in row.speedups.values())
        if row.reached:
            assert row.trial.loss_bound <= row.max_drop
            assert row.trial.loss == pytest.approx(100 * (1 - row.trial.f1)), "the dense pass is the checkpoint's"
            assert row.trial.strategy == Strategy.from_json(stored[row.name])
    page = (out / "README.md").read_text()
    assert all(f"{100 * row.trial.f1:.2f} ± {row.error:.2f}" in page for row in rows)
    assert all(name in page for name in ("Chemical", "Disease", "no gold was learned from"))
    assert page.startswith("---\npipeline_tag")  # its base is a folder, which the hub would refuse
    facts = Facts(**facts_of(out) | {"checkpoint": "owner/name"})
    assert card([dense, *rows], facts, "command").startswith('---\nbase_model: "owner/name"\npipeline_tag')


def test_a_trained_encoder_is_compared_with_the_checkpoint_it_came_from(trained, plain_folder):
    out, rows = trained
    lost = [100 * (rows[0].trial.f1 - row.trial.f1) for row in rows[1:]]
    assert [row.trial.loss for row in rows[1:]] == pytest.approx(lost), "lost against its own dense pass"
    before, after = (load_weights(folder).model.encoder.layers[0].output.weight for folder in (plain_folder, out))
    assert not torch.equal(before, after)
    page = (out / "README.md").read_text()
    assert all(f"| {row.f1:.4f} |" in page for row in rows if row.reached)
    assert "the checkpoint itself has" in page


def test_a_setting_that_is_measured_to_be_slower_than_dense_is_no_operating_point(finished, monkeypatch, caplog):
    out, options = finished
    (out / "training" / "measured.jsonl").unlink()
    monkeypatch.setattr(cards, "speedups", timed(0.9))
    assert main([*options, "5,20,60"]) == 0
    assert not load_engine(out).points
    page = (out / "README.md").read_text()
    assert 'engine.tag("…", "dense")' in page
    assert re.search(r"`fast` \(60\): no faster than `dense`, not stored \|.*0\.90×", page)
    assert "entropy:fast was measured to be no faster than dense" in caplog.text


@pytest.mark.parametrize(
    ("speedups", "stored"), [({}, True), ({1: 0.9, 32: 1.1}, True), ({1: 0.9, 32: 1.0}, False), ({1: 0.9}, False)]
)
def test_an_operating_point_is_faster_at_some_batch_size_if_any_was_timed(speedups, stored):
    trial = Trial(Strategy("entropy", (1,), EntropyController(1.0)), (), (), Cost((1,), 1, 2, 10, 13))
    assert Row("fast", trial, speedups=speedups).stored == stored
    assert not Row("fast", trial, speedups=speedups, reached=False).stored


def test_a_finished_run_chooses_again_without_checkpoint_and_texts_and_measures_nothing_twice(finished):
    out, options = finished

    def modified():
        return {file.name: file.stat().st_mtime_ns for file in out.glob("*.safetensors")}

    log, sweep = Log(out / "training" / "measured.jsonl"), out / "training" / "sweep.jsonl"
    before, swept, measured = modified(), sweep.read_text(), list(log)
    for limits in ("0,0.01,90", "80,85,90"):
        assert main([*options, limits]) == 0
    assert modified() == before
    assert sweep.read_text() == swept
    assert list(log)[: len(measured)] == measured
    tried = [json.dumps(record["strategy"]) for record in log]
    assert len(set(tried)) == len(tried)
    assert "careful" in load_engine(out).points["entropy"]
    page = (out / "README.md").read_text()
    assert f"accelerate {' '.join(options[:3])}" in page
    assert "everything took" in page, "the run was not interrupted; only its operating points were chosen again"


def test_a_run_that_was_cut_goes_on_and_ends_like_one_that_was_not(plain_folder, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(distill, "plan_steps", lambda *_: 6)
    monkeypatch.setattr(distill, "CHECKPOINT_S", 0)  # after every step
    monkeypatch.setattr(distill.Distillation, "replan", lambda *_: None)
    run(plain_folder, texts, tmp_path / "whole", minutes=9)  # enough to label all texts
    step, left = distill.Distillation.step, iter(range(3))

    def cut_short(training, batch):
        return step(training, batch) if next(left, None) is not None else interrupted()

    with monkeypatch.context() as patch:
        patch.setattr(distill.Distillation, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            run(plain_folder, texts, tmp_path / "cut", minutes=9)
    labels = tmp_path / "cut" / "training" / "labels.npz"
    labelled = labels.stat().st_mtime_ns
    run(plain_folder, texts, tmp_path / "cut", resume=True, minutes=9)
    assert labels.stat().st_mtime_ns == labelled
    cut, whole = (
        {record["step"]: record["loss"] for record in Log(tmp_path / name / "training" / "run" / "log.jsonl")}
        for name in ("cut", "whole")
    )
    assert len(cut) == 6
    assert cut == pytest.approx(whole, abs=1e-3)
    assert not (tmp_path / "cut" / "training" / "run" / "checkpoint").exists()


def test_a_run_goes_on_only_from_what_it_began_with(checkpoint, tmp_path, monkeypatch):
    texts, out = write_texts(tmp_path / "texts.txt", 360), tmp_path / "out"
    monkeypatch.setattr(accelerating, "distil", interrupted)
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint, texts, out, resume=resume)
    with locked(out / "training"), pytest.raises(InputError, match="another process"):
        run(checkpoint, texts, out, resume=True)
    write_texts(texts, 400)
    with pytest.raises(InputError, match="texts to learn from"):
        run(checkpoint, texts, out, resume=True)
    write_texts(texts, 360)
    weights = (checkpoint / "model.safetensors").read_bytes()
    scaled(checkpoint, "model.safetensors", 1.01)
    with pytest.raises(InputError, match=r"checkpoint\.weights"):
        run(checkpoint, texts, out, resume=True)
    (checkpoint / "model.safetensors").write_bytes(weights)
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    with pytest.raises(InputError, match=r"checkpoint\.configuration"):
        run(checkpoint, texts, out, resume=True)


def test_a_finished_run_does_not_choose_with_what_was_measured_of_another_model(finished, capsys):
    out, options = finished
    scaled(out, "gates.safetensors", 2)
    write_checksums(out)
    assert main([*options, "5,20,60"]) == 2
    assert f"expected to continue the run in {out} with model.weights" in capsys.readouterr().err


def test_a_run_that_is_cut_while_it_chooses_keeps_the_dtype_that_auto_chose(plain_folder, texts, tmp_path, monkeypatch):
    def begin(fastest, sweep, *, resume):
        monkeypatch.setattr("engine.tagger.Engine._choose", lambda *_: (fastest, "tried"))
        monkeypatch.setattr(accelerating.Sweep, "run", sweep)
        run(plain_folder, texts, tmp_path / "out", frozen=True, dtype="auto", resume=resume)

    with pytest.raises(KeyboardInterrupt):
        begin("bfloat16", interrupted, resume=False)
    begin("float32", lambda *_, **__: None, resume=True)
    assert facts_of(tmp_path / "out")["dtype"] == "bfloat16"


def planned(**changes):
    """A training that computes nothing: 100 steps, of which ten warm up."""
    training = distill.Distillation.__new__(distill.Distillation)
    vars(training).update({"steps": 100, "warm": 10, "decay": (10, 1.0), "most": 150} | changes)
    return training


@pytest.mark.parametrize(("left", "end"), [(10, 60), (80, 130), (500, 150)])
def test_training_takes_the_time_there_is_and_ends_with_the_rate_at_zero(left, end):
    training = planned()
    before = training.rate(50)
    training.replan(50, left)
    assert training.steps == end
    assert [training.rate(step) for step in (50, (50 + end) / 2, end)] == pytest.approx([before, before / 2, 0])


def test_training_that_is_planned_again_while_it_warms_up_reaches_the_full_rate():
    training = planned()
    training.replan(4, 46)
    assert training.steps == 50
    assert [training.rate(step) for step in (4, 5, 50)] == pytest.approx([0.8, 1, 0])


@pytest.mark.parametrize(
    ("seconds", "steps", "pace"),
    [(100, 100, lambda _: 3), (300, 100, lambda step: 3 if step < 90 else 30), (300, 20, lambda _: 1)],
)
def test_training_ends_at_its_deadline_however_long_steps_take(seconds, steps, pace, monkeypatch):
    clock, rates, saved = [0.0], [], []
    monkeypatch.setattr(distill, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def step(_):
        clock[0] += pace(len(rates))
        rates.append(training.rate(len(rates)))
        return 0.0

    def save_epoch(*, only_better):
        saved.append(clock[0])
        return 1.0

    progress = {"epoch": 0, "precision": "no", "schedule": SimpleNamespace(last_epoch=0), "model": torch.nn.Identity()}
    plan = {"steps": steps, "warm": 0, "decay": (0, 1.0), "most": 1000, "stream": lambda _: itertools.repeat([])}
    training = planned(**plan, **progress, step=step, save_epoch=save_epoch, note=lambda _: None)
    training.fit_until(seconds)
    longest = pace(len(rates) - 1)
    assert clock[0] < seconds + max(1, longest), "one step may have begun before"
    assert clock[0] > seconds - 2 * longest - 1
    assert rates[-1] < 0.25, "the last steps are small"
    assert np.diff([0.0, *saved]).max() <= min(seconds / 4, 180) + longest


def test_as_many_steps_are_planned_as_time_allows_for():
    assert plan_steps(1200, 50, 1.0) == 1200
    assert plan_steps(1e6, 50, 0.001) == 50 * distill.MAX_PASSES
    assert plan_steps(-5, 50, 10.0) == 1


def write_gold(folder, text, type_):
    path = folder / "gold.jsonl"
    path.write_text(json.dumps({"text": text, "entities": [{"start": 0, "end": 10, "type": type_}]}))
    return str(path)


def test_gold_is_learned_with_the_checkpoints_own_output(plain_folder, texts, tmp_path, monkeypatch):
    distil, seen = accelerating.distil, []

    def noted(weights, taught, gold, *rest, **settings):
        seen.extend(gold)
        return distil(weights, taught, gold, *rest, **settings)

    monkeypatch.setattr(accelerating, "distil", noted)
    gold = write_gold(tmp_path, "Famotidine helps.", "Chemical")
    run(plain_folder, texts, tmp_path / "out", gold=gold)
    (example,) = seen
    labels = load_engine(tmp_path / "out").labels
    assert [labels.names[label] for label in example.targets.argmax(1)] == ["B-Chemical", "O", "O"]
    assert [labels.names[label] for label in np.flatnonzero(example.outside)] == ["O", "B-Disease", "I-Disease"]
    assert "together with gold of" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("what", ["held out", "corpus", "types"])
def test_gold_that_is_not_for_learning_is_refused(what, plain_folder, texts, tmp_path):
    gold = write_gold(tmp_path, "Famotidine  helps.", "Gene" if what == "types" else "Chemical")
    held_out = ["Famotidine helps."] * (what == "held out") + read_texts([texts])[:200]
    corpus = gold if what == "corpus" else ""
    with pytest.raises(InputError, match="expected gold"):
        run(plain_folder, texts, tmp_path / "out", gold=gold, held_out=held_out, corpus=corpus)
    assert not (tmp_path / "out").exists()


def test_in_python_a_model_and_its_tokenizer_are_made_fast(plain_folder, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = AutoModelForTokenClassification.from_pretrained(plain_folder)
    model.name_or_path = ""  # as of a model that was never saved
    pair = model, AutoTokenizer.from_pretrained(plain_folder)
    settings = {"minutes": 0.02, "frozen": True, "mixed_precision": "no", "dtype": "bfloat16", "corpus": str(SAMPLE)}
    folder = package.accelerate(pair, read_texts([texts]), tmp_path / "fast", **settings)
    np.testing.assert_array_equal(probabilities(plain_folder), probabilities(folder))
    page = (folder / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["fast"]
    assert "engine.accelerate('a model in memory', texts" in page
    assert "the checkpoint itself has" in page


@pytest.fixture
def one_setting():
    """The trial of a setting, and a finished sweep that chose nothing else."""
    early, dense = Strategy("entropy", (1,), EntropyController(1.0)), (Counts(10, 10, 10),) * 2
    one = Trial(early, (Counts(9, 10, 10),) * 2, dense, Cost((1,), 1, 2, 10, 13))
    chosen = dict.fromkeys(("balanced", "fast"), one)
    return one, SimpleNamespace(engine=None, limits=(1, 10, 30), chosen=lambda _: chosen, closest=lambda _: one)


def test_impossible_figures_are_not_published(one_setting, tmp_path, monkeypatch):
    one, sweep = one_setting
    dense = Trial(Strategy("dense"), one.dense, one.dense, Cost((1,), 2, 2, 13, 13))
    timed = []

    def speedups(engine, strategies, texts, size):
        timed.append((size, len(strategies)))
        return [1.0, 3.26 if size > 1 else 1.2]

    monkeypatch.setattr(cards, "speedups", speedups)
    rows, _ = measure_rows(dense, sweep, ["text"] * 40, None, tmp_path / "measured.jsonl")
    assert timed == [(1, 2), (8, 2)], "five batches of eight, and a setting of two operating points once"
    assert [(row.name, row.reached, row.speedups) for row in rows] == [
        ("dense", True, {1: 1.0, 8: 1.0}),
        ("careful", False, {}),
        ("balanced", True, {1: 1.2}),
        ("fast", True, {1: 1.2}),
    ]
    assert measure_rows(dense, sweep, ["text"] * 4, None, tmp_path / "few.jsonl")[0][2].speedups == {}
    assert len(timed) == 2


def test_figures_that_were_measured_on_a_busy_machine_stay_doubtful(one_setting, tmp_path, monkeypatch):
    one, sweep = one_setting
    for busy in (0.5, 0.0):
        monkeypatch.setattr(cards, "busy_share", lambda busy=busy: busy)
        assert measure_rows(one, sweep, [], None, tmp_path / "measured.jsonl")[1] == 0.5


def test_speedups_are_against_dense(engine):
    ratios = speedups(engine, [engine.strategy("truncate-1"), engine.strategy("dense")], [TEXT] * 2, 1)
    assert ratios[0] != ratios[1] == 1


def test_few_windows_and_a_busy_machine_are_warned_of(frozen, caplog):
    out, rows = frozen
    facts = Facts(**facts_of(out) | {"busy": 0.5, "passes": 0.045})
    accelerating._warn(facts, rows[:1], "time was over")
    points = "time was over, without an operating point careful or balanced or fast"
    parts = f"only {facts.windows} windows", "50% of the processors", points, "time for 0.045 passes"
    assert all(part in caplog.text for part in parts)


def test_held_out_texts_are_not_learned_from_whatever_stands_between_their_words(texts, plain_folder):
    pieces, lines = load_engine(plain_folder).pieces, texts.read_text().splitlines()
    training, _ = split_texts(lines, [line.replace(" ", "\n", 1) for line in lines[:150]], pieces, 0)
    assert sorted(training) == sorted(lines[150:])
    training, held_out = split_texts(lines, [], pieces, 0)
    assert not {*training} & {*held_out}
    assert {*training} | {*held_out} == {*lines}


def test_labels_that_say_nothing_are_named_by_a_file_and_then_by_the_folder(checkpoint, plain_folder, texts, tmp_path):
    settings = json.loads((checkpoint / "config.json").read_text())
    names = list(settings["id2label"].values())
    settings["id2label"] = {str(index): f"LABEL_{index}" for index in range(5)}
    settings["label2id"] = {f"LABEL_{index}": index for index in range(5)}
    (checkpoint / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="--labels"):
        run(checkpoint, texts, tmp_path / "no", frozen=True)
    (tmp_path / "labels.json").write_text(json.dumps(names))
    run(checkpoint, texts, tmp_path / "out", frozen=True, labels=str(tmp_path / "labels.json"))
    np.testing.assert_array_equal(probabilities(plain_folder), probabilities(tmp_path / "out"))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()


def test_a_conversion_that_was_interrupted_is_done_again(checkpoint, plain_folder, tmp_path):
    run = tmp_path / "run"
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    run.mkdir()
    (run / "model.safetensors").write_bytes(b"torn")
    settings = json.dumps(json.loads((checkpoint / "config.json").read_text()) | {"note": "of its own"})
    (checkpoint / "config.json").write_text(settings)
    copy_checkpoint(load_weights(checkpoint), run, rename=False)
    assert (run / "config.json").read_text() == settings, "converted with the weights"
    before, after = load_file(plain_folder / "model.safetensors"), load_file(run / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("content", "keyword"),
    [
        ("nausea after famotidine\n" * 9, "at least 100 windows"),
        (("nausea " * 9000 + "\n") * 3, "at least 2 held-out texts"),
        ("\n \n", "word"),
    ],
)
def test_unusable_texts_end_with_status_2_and_one_line(plain_folder, tmp_path, capsys, content, keyword):
    path = tmp_path / "texts.txt"
    path.write_text(content)
    assert main([str(plain_folder), "--texts", str(path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert keyword in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"max_f1_drop": (1.0, 0.3, 0.1)},
        {"dtype": "fp4"},
        {"minutes": 0},
        {"frozen": True, "gold": "bc5cdr:train"},
        {"mixed_precision": "fp8"},
        {"seed": 3_000_000_000},
    ],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(InputError, match="expected"):
        AccelerateConfig(checkpoint="c", out="o", **changes)


@pytest.mark.parametrize("family", ["roberta", "modernbert"])
def test_checkpoints_of_other_families_are_made_fast_too(family, texts, tmp_path):
    tokenizer = tokenizer_of(family)
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out"
    huggingface(tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    assert run(checkpoint, texts, out, frozen=True)[0].trial.f1 == 1
    np.testing.assert_array_equal(probabilities(checkpoint), probabilities(out))
    assert load_engine(out).tag(TEXT, "entropy").words


def test_int8_chooses_operating_points_with_layers_that_the_training_texts_calibrated(
    plain_folder, texts, tmp_path, monkeypatch
):
    pytest.importorskip("nncf")
    monkeypatch.setattr("engine.training.quantise.TEXTS", 10)
    run(plain_folder, texts, tmp_path / "out", frozen=True, dtype="int8")
    assert facts_of(tmp_path / "out")["dtype"] == "int8"
    assert "OpenVINO" in load_engine(tmp_path / "out", "int8").fingerprint["runtime"]
    monkeypatch.setitem(sys.modules, "nncf", None)
    run(plain_folder, texts, tmp_path / "out", frozen=True, dtype="int8", resume=True)  # nothing is left to quantise


def test_int8_without_its_packages_is_refused_before_anything_begins(plain_folder, texts, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(InputError, match="nncf"):
        run(plain_folder, texts, tmp_path / "out", dtype="int8")
    assert not (tmp_path / "out").exists()
