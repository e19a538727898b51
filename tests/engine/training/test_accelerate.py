"""From a checkpoint and plain texts to a model folder with gates, operating points and a card."""

import json
import math
import random
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertForTokenClassification

import engine as package
from engine import InputError, load_engine
from engine.checkpoint import load_weights
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
from engine.training.card import Facts, card, measure_rows
from engine.training.data import split_texts
from engine.training.distill import copy_checkpoint
from engine.training.sweep import first_lines
from engine.training.trials import Reference, Trial
from tests.conftest import SAMPLE
from tests.engine.model.families import huggingface, tiny, tokenizer_of

WORDS = (
    "famotidine",
    "delirium",
    "patients",
    "nausea",
    "hypotension",
    "and",
    "after",
    "with",
    "20",
    "mg",
    "the",
    "had",
)


def write_texts(path, count, seed=0):
    rng = random.Random(seed)
    path.write_text("".join(" ".join(rng.choices(WORDS, k=rng.randint(4, 12))) + ".\n" for _ in range(count)))
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.txt", 360)


def run(checkpoint, texts, out, *, resume=False, held_out=(), **changes):
    settings = {"minutes": 0.08, "mixed_precision": "no", "max_f1_drop": (5.0, 20.0, 60.0)} | changes
    config = AccelerateConfig(checkpoint=str(checkpoint), out=str(out), **settings)
    return _run(config, read_texts([texts]), held_out, "command", resume=resume)


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


def few_settings(sweep, name, *_, **__):
    """Takes the place of `Sweep.run`, whose settings depend on how busy the machine is."""
    lines = first_lines(name, sweep.engine.encoder.num_layers)
    sweep._measure([line.at(scale) for line in lines for scale in (0.06, 0.54)], sweep.total, math.inf)


@pytest.fixture(scope="module")
def frozen(plain_folder, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("frozen") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerating.Sweep, "run", few_settings)
        return out, run(plain_folder, texts, out, frozen=True)


@pytest.fixture(scope="module")
def trained(plain_folder, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerating.Sweep, "run", few_settings)
        return out, run(plain_folder, texts, out, corpus=str(SAMPLE))


def test_a_frozen_checkpoint_keeps_every_file_and_every_bit_of_its_dense_output(frozen, plain_folder):
    out, _ = frozen
    for file in plain_folder.iterdir():
        assert (out / file.name).read_bytes() == file.read_bytes()
    one, other = load_engine(plain_folder), load_engine(out)
    for text in ("Famotidine had delirium.", "nausea after hypotension"):
        np.testing.assert_array_equal(one.tag(text, "dense").probabilities, other.tag(text, "dense").probabilities)


def test_what_was_trained_is_stored_in_half_precision_and_loads_everywhere(frozen, trained, texts):
    for out in (frozen[0], trained[0]):
        assert {tensor.dtype for tensor in load_file(out / "gates.safetensors").values()} == {torch.float16}
        assert AutoModelForTokenClassification.from_pretrained(out).num_labels == 5
        assert "entropy" in load_engine(out).runnable
    assert {t.dtype for t in load_file(trained[0] / "model.safetensors").values()} == {torch.float16}


def test_the_table_tells_agreement_and_speed_of_each_operating_point_and_the_card_repeats_it(frozen):
    out, rows = frozen
    assert rows[0].name == "dense"
    assert (rows[0].agreement, rows[0].error) == (100.0, 0.0)
    stored = load_engine(out).points["entropy"]
    assert stored
    for row in rows[1:]:
        assert row.reached == (row.name in stored)
        assert row.theoretical_speedup > 1
        assert all(ratio <= cards.NOISE * row.theoretical_speedup for ratio in row.speedups.values())
        if row.reached:
            assert row.loss + row.loss_error <= row.max_drop
            assert row.loss == pytest.approx(100 - row.agreement), "the dense pass is the checkpoint's"
            assert row.strategy == Strategy.from_json(stored[row.name])
    page = (out / "README.md").read_text()
    assert all(f"{row.agreement:.2f} ± {row.error:.2f}" in page for row in rows)
    assert all(name in page for name in ("Chemical", "Disease", "no gold was learned from"))


def test_a_trained_encoder_is_compared_with_the_checkpoint_it_came_from(trained, plain_folder):
    out, rows = trained
    for row in rows:
        assert row.loss == pytest.approx(rows[0].agreement - row.agreement), "lost against its own dense pass"
    before, after = load_weights(plain_folder).model, load_weights(out).model
    assert not torch.equal(before.encoder.layers[0].output.weight, after.encoder.layers[0].output.weight)
    page = (out / "README.md").read_text()
    assert all(f"| {row.f1:.4f} |" in page for row in rows if row.reached)
    assert "the checkpoint itself has" in page


def test_a_finished_run_chooses_again_without_checkpoint_and_texts_and_measures_nothing_twice(
    plain_folder, texts, tmp_path, monkeypatch, capsys
):
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    options = [str(checkpoint), "--texts", str(texts), "--frozen", "--minutes", "0.08", "--out", str(tmp_path / "out")]
    options += ["--mixed-precision", "no"]
    assert main([*options, "--max-f1-drop", "0,0.01,90"]) == 0
    shutil.rmtree(checkpoint)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.safetensors")}
    known = list(Log(tmp_path / "out" / "training" / "measured.jsonl"))
    assert main([*options, "--max-f1-drop", "80,85,90", "--resume", "--texts", "/no/such"]) == 0
    assert before == {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.safetensors")}
    records = list(Log(tmp_path / "out" / "training" / "measured.jsonl"))
    assert records[: len(known)] == known
    tried = [json.dumps(record["strategy"]) for record in records]
    assert len(set(tried)) == len(tried)
    assert "careful" in load_engine(tmp_path / "out").points["entropy"]


@pytest.fixture
def no_sweep(monkeypatch):
    """For what ends before operating points are chosen."""
    monkeypatch.setattr(accelerating.Sweep, "run", lambda *_, **__: None)


def test_a_run_that_was_cut_goes_on_and_ends_like_one_that_was_not(
    plain_folder, texts, tmp_path, monkeypatch, no_sweep
):
    monkeypatch.setattr(distill.Schedule, "filling", lambda *_: distill.Schedule(240, 20, 20, "no"))
    monkeypatch.setattr(distill, "CHECKPOINT_S", 0)  # after every step
    monkeypatch.setattr(distill.Distillation, "replan", lambda *_: None)
    run(plain_folder, texts, tmp_path / "whole", minutes=9)  # enough to label all texts
    step, steps = distill.Distillation.step, []

    def interrupted(training, batch):
        steps.append(batch)
        if len(steps) == 12:
            raise KeyboardInterrupt
        return step(training, batch)

    with monkeypatch.context() as patch:
        patch.setattr(distill.Distillation, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(plain_folder, texts, tmp_path / "cut", minutes=9)
    labelled = (tmp_path / "cut" / "training" / "labels.npz").stat().st_mtime_ns
    run(plain_folder, texts, tmp_path / "cut", resume=True, minutes=9)
    assert (tmp_path / "cut" / "training" / "labels.npz").stat().st_mtime_ns == labelled, "the labels were made again"
    logs = [
        {record["step"]: record["loss"] for record in Log(tmp_path / name / "training" / "run" / "log.jsonl")}
        for name in ("cut", "whole")
    ]
    assert len(logs[0]) == 20
    assert logs[0] == pytest.approx(logs[1], abs=1e-3)
    assert not (tmp_path / "cut" / "training" / "run" / "checkpoint").exists()


def test_training_that_is_slower_than_planned_ends_in_time_with_the_rate_at_zero(plain_folder, texts, tmp_path):
    run_of = distill.Distillation.__new__(distill.Distillation)
    run_of.steps, run_of.warm, run_of.decay = 100, 10, (10, 1.0)
    before = run_of.rate(50)
    run_of.replan(50, 10)
    assert run_of.steps == 60
    assert run_of.rate(50) == pytest.approx(before)
    assert run_of.rate(55) == pytest.approx(before / 2)
    assert run_of.rate(60) == 0
    run_of.replan(50, 80)
    assert run_of.steps == 60, "time that is gained is the sweep's"


def test_gold_is_learned_with_the_checkpoints_own_output(plain_folder, texts, tmp_path, monkeypatch, no_sweep):
    seen = []
    distil = accelerating.distil

    def noted(weights, taught, gold, *rest, **settings):
        seen.extend(gold)
        return distil(weights, taught, gold, *rest, **settings)

    monkeypatch.setattr(accelerating, "distil", noted)
    entities = [{"start": 0, "end": 10, "type": "Chemical"}]
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"text": "Famotidine helps.", "entities": entities}) + "\n")
    run(plain_folder, texts, tmp_path / "out", gold=str(gold))
    (example,) = seen
    labels = load_engine(tmp_path / "out").labels
    assert [labels.names[int(label)] for label in example.targets.argmax(1)] == ["B-Chemical", "O", "O"]
    assert {labels.type_of(label) for label in np.flatnonzero(example.outside)} == {"", "Disease"} or {
        labels.names[label] for label in np.flatnonzero(example.outside)
    } == {"O", "B-Disease", "I-Disease"}
    assert "together with gold of" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("what", ["held out", "corpus", "types"])
def test_gold_that_is_not_for_learning_is_refused(what, plain_folder, texts, tmp_path):
    type_ = "Gene" if what == "types" else "Chemical"
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"text": "Famotidine  helps.", "entities": [{"start": 0, "end": 10, "type": type_}]}))
    held_out = ["Famotidine helps."] * (what == "held out") + read_texts([texts])[:200]
    corpus = {"corpus": str(gold)} if what == "corpus" else {}
    with pytest.raises(InputError, match="expected gold"):
        run(plain_folder, texts, tmp_path / "out", gold=str(gold), held_out=held_out, **corpus)
    assert not (tmp_path / "out").exists()


def test_in_python_a_model_and_its_tokenizer_are_made_fast(plain_folder, texts, tmp_path, no_sweep):
    model = AutoModelForTokenClassification.from_pretrained(plain_folder)
    pair = model, AutoTokenizer.from_pretrained(plain_folder)
    settings = {"minutes": 0.08, "frozen": True, "mixed_precision": "no", "max_f1_drop": (5.0, 20.0, 60.0)}
    folder = package.accelerate(pair, read_texts([texts]), tmp_path / "fast", **settings)
    one, other = (load_engine(path).tag("Famotidine had delirium.", "dense") for path in (plain_folder, folder))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert "engine.accelerate(" in (folder / "README.md").read_text()


def test_figures_that_cannot_be_are_not_published(tmp_path, monkeypatch):
    early = Strategy("entropy", (1,), EntropyController(1.0))
    reference = Reference((), ("T",), (Counts(10, 10, 10),) * 2)
    one = Trial(early, (Counts(9, 10, 10),) * 2, Cost((1,), 1, 2, 10, 13))
    dense = Trial(Strategy("dense"), reference.dense, Cost((1,), 2, 2, 13, 13))
    sweep = type("Sweep", (), {"reference": reference, "limits": (1, 10, 30)})()
    sweep.chosen, sweep.closest = lambda _: {"balanced": one, "fast": one}, lambda _: one
    timed = []
    monkeypatch.setattr(
        cards,
        "speedups",
        lambda engine, of, texts, size: timed.append((size, len(of))) or [1.0, 3.26 if size > 1 else 1.2],
    )
    rows, _ = measure_rows(None, dense, sweep, ["text"] * 40, None, tmp_path / "measured.jsonl")
    assert timed == [(1, 2), (8, 2)], "five batches of eight, and a setting of two operating points once"
    assert [(row.name, row.reached, row.speedups) for row in rows] == [
        ("dense", True, {1: 1.0, 8: 1.0}),
        ("careful", False, {}),
        ("balanced", True, {1: 1.2}),
        ("fast", True, {1: 1.2}),
    ]
    assert measure_rows(None, dense, sweep, ["text"] * 4, None, tmp_path / "few.jsonl")[0][2].speedups == {}
    assert len(timed) == 2


def test_the_card_names_a_base_model_that_the_hub_has(frozen):
    out, rows = frozen
    facts = json.loads((out / "training" / "facts.json").read_text())
    hub = Facts(**facts | {"checkpoint": "michiyasunaga/BioLinkBERT-base"})
    assert card(rows, hub, "command").startswith('---\nbase_model: "michiyasunaga/BioLinkBERT-base"\npipeline_tag')
    assert (out / "README.md").read_text().startswith("---\npipeline_tag")  # a folder, which the hub would refuse


def test_few_windows_and_a_busy_machine_are_warned_of(frozen, caplog):
    out, rows = frozen
    facts = Facts(**json.loads((out / "training" / "facts.json").read_text()) | {"busy": 0.5, "passes": 0.045})
    accelerating._warn(facts, rows[:1], "time was over after 2 settings")
    for part in (
        f"only {facts.windows} windows were held out",
        "used 50 % of the processors",
        "time was over after 2 settings, without an operating point careful or balanced or fast",
        "time for 0.045 passes",
    ):
        assert part in caplog.text


def test_texts_held_out_apart_are_not_learned_from_whatever_stands_between_their_words(texts, plain_folder):
    pieces, lines = load_engine(plain_folder).pieces, texts.read_text().splitlines()
    apart = split_texts(lines, [line.replace(" ", "\n", 1) for line in lines[:150]], pieces, 0)
    assert sorted(apart.training) == sorted(lines[150:])
    mixed = split_texts(lines, [], pieces, 0)
    assert not {*mixed.training} & {*mixed.held_out}
    assert {*mixed.training} | {*mixed.held_out} == {*lines}


@pytest.mark.parametrize(
    ("learned", "held_out"), [(["nausea"] * 9, []), (["nausea " * 9000] * 3, []), (["nausea"], ["delirium"] * 30)]
)
def test_too_few_texts_are_refused(learned, held_out, plain_folder):
    with pytest.raises(InputError, match="expected at least 100 windows in at least 2 held-out texts"):
        split_texts(learned, held_out, load_engine(plain_folder).pieces, 0)


def test_time_is_counted_in_words():
    assert accelerating.fitting(["a b c", "d e", "f"], 5) == 2
    assert accelerating.fitting(["a b c", "d e", "f"], 99) == 3
    assert accelerating.fitting(["a b c"], 1) == 1


def test_labels_that_say_nothing_are_named_by_a_file_and_then_by_the_folder(plain_folder, texts, tmp_path, no_sweep):
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    settings = json.loads((checkpoint / "config.json").read_text())
    names = list(settings["id2label"].values())
    settings["id2label"] = {str(index): f"LABEL_{index}" for index in range(5)}
    settings["label2id"] = {f"LABEL_{index}": index for index in range(5)}
    (checkpoint / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="give what they mean with --labels"):
        run(checkpoint, texts, tmp_path / "no", frozen=True)
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(names))
    run(checkpoint, texts, tmp_path / "out", frozen=True, labels=str(labels))
    one, other = load_engine(plain_folder), load_engine(tmp_path / "out")
    text = "Famotidine had delirium."
    np.testing.assert_array_equal(one.tag(text, "dense").probabilities, other.tag(text, "dense").probabilities)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()


def test_a_conversion_that_was_interrupted_is_done_again(plain_folder, tmp_path):
    checkpoint, run = shutil.copytree(plain_folder, tmp_path / "checkpoint"), tmp_path / "run"
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


def test_a_run_goes_on_only_from_what_it_began_with(plain_folder, tmp_path, monkeypatch):
    texts, out = write_texts(tmp_path / "texts.txt", 360), tmp_path / "out"
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")

    def interrupted(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(accelerating, "distil", interrupted)
    for resume in (False, True):
        with pytest.raises(TimeoutError):
            run(checkpoint, texts, out, resume=resume)
    with pytest.raises(InputError, match="with a run in it; add --resume"):
        run(checkpoint, texts, out)
    with pytest.raises(InputError, match="with seed 0, got seed 1"):
        run(checkpoint, texts, out, resume=True, seed=1)
    with locked(out / "training"), pytest.raises(InputError, match="another process"):
        run(checkpoint, texts, out, resume=True)
    write_texts(texts, 400)
    with pytest.raises(InputError, match="texts to learn from"):
        run(checkpoint, texts, out, resume=True)
    write_texts(texts, 360)
    state = load_file(checkpoint / "model.safetensors")
    state["classifier.bias"] += 1e-3
    save_file(state, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"checkpoint\.weights"):
        run(checkpoint, texts, out, resume=True)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="with other files in it"):
        run(checkpoint, texts, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nausea after famotidine\n" * 9, "expected at least 100 windows in at least 2 held-out texts, got 0"),
        ("\n \n", "got none with a word in it"),
        ("%PDF \udcff", "expected UTF-8"),
    ],
)
def test_unusable_texts_end_with_status_2_and_one_line(plain_folder, tmp_path, capsys, content, message):
    path = tmp_path / "texts.txt"
    path.write_bytes(content.encode(errors="surrogateescape"))
    assert main([str(plain_folder), "--texts", str(path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unusable_checkpoint_ends_with_status_2(texts, tmp_path, capsys, plain_folder):
    bare = shutil.copytree(plain_folder, tmp_path / "bare")
    state = {name: tensor for name, tensor in load_file(bare / "model.safetensors").items() if "classifier" not in name}
    torch.save(state, bare / "pytorch_model.bin")
    (bare / "model.safetensors").unlink()
    options = ["--texts", str(texts), "--out", str(tmp_path / "out")]
    for checkpoint, message in (
        (bare, "fine-tuned for token classification"),
        ("/no/such", "got '/no/such', no folder; check"),
    ):
        assert main([str(checkpoint), *options]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"max_f1_drop": (1.0,)},
        {"max_f1_drop": (1.0, 0.3, 0.1)},
        {"dtype": "fp4"},
        {"minutes": -1},
        {"minutes": 0},
        {"frozen": True, "gold": "bc5cdr:train"},
        {"mixed_precision": "fp8"},
        {"seed": 3_000_000_000},
    ],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(InputError, match="expected"):
        AccelerateConfig(checkpoint="c", out="o", **changes)


def test_texts_seen_often_are_learned_from_at_a_lower_rate():
    assert [distill.encoder_lr(passes, 128) for passes in (1, 2, 30)] == [6e-5, 6e-5, 1e-5]
    assert 1e-5 < distill.encoder_lr(4, 128) < 6e-5


def test_wide_encoders_learn_at_a_lower_rate():
    rates = [distill.encoder_lr(1, hidden_size) for hidden_size in (256, 384, 768, 4096)]
    assert rates == pytest.approx([6e-5, 4e-5, 2e-5, 1e-5])


def test_the_fastest_precision_is_taken_and_training_fills_its_time():
    schedule = distill.Schedule.filling(1200, 100, 50, {"no": 2.0, "bf16": 1.0})
    assert (schedule.mixed_precision, schedule.steps) == ("bf16", 1200)
    assert distill.Schedule.filling(1e6, 100, 50, {"no": 0.001}).steps == 50 * distill.MAX_PASSES
    assert distill.Schedule.filling(-5, 100, 50, {"no": 10.0}).steps == 1


@pytest.mark.parametrize("family", ["roberta", "distilbert", "deberta-v2", "modernbert"])
def test_checkpoints_of_other_families_are_made_fast_too(family, texts, tmp_path, no_sweep):
    tokenizer = tokenizer_of(family)
    settings = tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out"
    huggingface(settings).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    rows = run(checkpoint, texts, out, frozen=True)
    assert rows[0].agreement == 100
    one, other = load_engine(checkpoint), load_engine(out)
    text = "Famotidine had delirium."
    before, after = one.tag(text, "dense").probabilities, other.tag(text, "dense").probabilities
    assert np.array_equal(before, after)
    assert len(other.tag(text, "entropy").words) == len(before)


def test_int8_chooses_operating_points_with_layers_that_the_training_texts_calibrated(
    plain_folder, texts, tmp_path, no_sweep
):
    pytest.importorskip("nncf")
    run(plain_folder, texts, tmp_path / "out", frozen=True, dtype="int8")
    assert (tmp_path / "out" / "int8.safetensors").is_file()
    assert load_engine(tmp_path / "out", "int8").encoder.runtime is not None
    facts = json.loads((tmp_path / "out" / "training" / "facts.json").read_text())
    assert facts["dtype"] == "int8"
