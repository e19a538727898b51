"""From a plain checkpoint and plain texts to a model folder with gates, points and a card."""

import gc
import json
import random
import shutil
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from engine.training.delivery import copy_checkpoint
from engine.training.held_out import TextSplit, split_texts
from engine.training.outcome import f1
from engine.training.points import Reference, Tried
from engine.training.texts import digest, words_of
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, BertForTokenClassification

from engine import InputError, load_engine
from engine.checkpoint import load_weights
from engine.data.corpora import load_corpus
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.signals import normalised_entropy
from engine.pruning.strategy import Strategy
from engine.runs import locked
from engine.text.documents import Document
from engine.text.scoring import Counts
from engine.training import accelerate as accelerating
from engine.training import distill, outcome
from engine.training.accelerate import AccelerateConfig, accelerate, main
from engine.training.calibrate import candidates
from engine.training.card import Facts, card
from engine.training.data import make_examples
from engine.training.finetune import with_gates
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


def config(checkpoint, texts, out, **changes) -> AccelerateConfig:
    settings = {"minutes": 0.03, "mixed_precision": "no", "max_f1_drop": (1.0, 10.0, 30.0)}
    return AccelerateConfig(checkpoint=str(checkpoint), texts=(str(texts),), out=str(out), **(settings | changes))


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


@pytest.fixture(scope="module")
def small_search():
    """Few settings to search, few texts to time, time for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerating, "LABELLING", 1e6)
        patch.setattr(accelerating, "HELD_OUT", 1e6)
        patch.setattr(accelerating, "TIMED_PASSES", 1e-6)
        few = [*list(candidates("entropy", 3))[::7]]
        patch.setattr(accelerating, "candidates", lambda name, layers: few)
        patch.setattr(accelerating, "variations", lambda strategy: [])
        patch.setattr(accelerating, "TIMED", 4)
        yield


@pytest.fixture(scope="module")
def frozen(plain_folder, texts, tmp_path_factory, small_search):
    out = tmp_path_factory.mktemp("frozen") / "model"
    return out, accelerate(config(plain_folder, texts, out, frozen=True))


@pytest.fixture(scope="module")
def trained(plain_folder, texts, tmp_path_factory, small_search):
    out = tmp_path_factory.mktemp("trained") / "model"
    return out, accelerate(config(plain_folder, texts, out, corpus=str(SAMPLE)))


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
        engine = load_engine(out)
        assert "entropy" in engine.runnable
        assert engine.points["entropy"]
    assert {t.dtype for t in load_file(trained[0] / "model.safetensors").values()} == {torch.float16}


def test_gate_heads_learn_what_the_checkpoint_says_at_the_end(frozen, texts):
    """Its labels are ordered differently from ours, and its heads must follow."""
    engine = load_engine(frozen[0])
    assert list(engine.label_order) != sorted(engine.label_order)
    lines = texts.read_text().splitlines()[:60]
    dense, early = (
        np.concatenate([engine.tag(line, strategy).probabilities.argmax(1) for line in lines])
        for strategy in ("dense", "truncate-2")
    )
    common = [label for label in range(5) if (dense == label).sum() >= 5]
    assert min(common) < 3, "no label whose place differs"
    assert len(common) >= 2
    for label in common:
        assert (early[dense == label] == label).mean() > 0.5


def test_the_table_tells_agreement_and_speed_of_each_point_and_the_card_repeats_it(frozen):
    out, rows = frozen
    assert [row.name for row in rows] == ["dense", "careful", "balanced", "fast"]
    assert (rows[0].agreement, rows[0].error) == (100.0, 0.0)
    stored = load_engine(out).points["entropy"]
    for row in rows[1:]:
        assert row.reached == (row.name in stored)
        if row.reached:
            assert row.loss + row.loss_error <= row.max_drop
            assert row.loss == pytest.approx(100 - row.agreement), "the dense pass is the checkpoint's"
            assert set(row.speedups) == {1, accelerating.TIMED}
            assert row.strategy == Strategy.from_json(stored[row.name])
    assert any(row.reached for row in rows[1:])
    page = (out / "README.md").read_text()
    assert all(f"{row.agreement:.2f} ± {row.error:.2f}" in page for row in rows)
    assert "--frozen" in page
    assert all(f"{row.token_layers_kept:.0%}" in page for row in rows)
    assert all(name in page for name in ("Chemical", "Disease"))


def test_the_card_names_a_base_model_that_the_hub_has(frozen):
    out, rows = frozen
    facts = Facts(
        checkpoint="michiyasunaga/BioLinkBERT-base",
        types=("Chemical",),
        layers=12,
        frozen=True,
        texts=400,
        passes=1.5,
        minutes=15,
        resumed=False,
        held_out=150,
        windows=200,
        entities=3000,
        timed=32,
        device="cpu",
        dtype="float32",
    )
    assert card(rows, facts, "command").startswith('---\nbase_model: "michiyasunaga/BioLinkBERT-base"\npipeline_tag')
    assert (out / "README.md").read_text().startswith("---\npipeline_tag")  # a folder, which the hub would refuse


def test_a_trained_encoder_is_compared_with_the_checkpoint_it_came_from(trained, plain_folder):
    out, rows = trained
    assert rows[0].agreement < 100
    assert rows[0].error > 0
    for row in rows:
        assert row.loss == pytest.approx(rows[0].agreement - row.agreement), "lost against its own dense pass"
    assert rows[0].f1 is not None
    before, after = load_weights(plain_folder).model, load_weights(out).model
    assert not torch.equal(before.encoder.layers[0].output.weight, after.encoder.layers[0].output.weight)
    page = (out / "README.md").read_text()
    assert all(f"| {row.f1:.4f} |" in page for row in rows if row.reached)
    corpus = load_corpus(str(SAMPLE))
    checkpoint, new = (f1(load_engine(folder), corpus, Strategy("dense")) for folder in (plain_folder, out))
    assert checkpoint != new
    assert rows[0].f1 == pytest.approx(new)
    assert f"the checkpoint itself has {checkpoint:.4f}." in page


def test_a_point_that_no_setting_reaches_is_told_with_the_closest_setting(
    plain_folder, texts, tmp_path, small_search, monkeypatch, capsys
):
    early = Strategy("entropy", (1,), EntropyController(1.0, exit_entities=True))
    monkeypatch.setattr(accelerating, "candidates", lambda name, layers: [early])
    options = ["--texts", str(texts), "--frozen", "--minutes", "0.03", "--mixed-precision", "no"]
    out = tmp_path / "out"
    assert main([str(plain_folder), *options, "--out", str(out), "--max-f1-drop", "0,0.01,90"]) == 0
    printed = capsys.readouterr().out
    assert "`exact` (0): not reached; the closest" in printed
    assert list(load_engine(out).points["entropy"]) == ["fast"]


def test_points_are_chosen_again_with_other_limits_without_training_again(
    plain_folder, texts, tmp_path, small_search, monkeypatch
):
    out = tmp_path / "out"
    early = Strategy("entropy", (1,), EntropyController(1.0, exit_entities=True))
    monkeypatch.setattr(accelerating, "candidates", lambda name, layers: [early])
    accelerate(config(plain_folder, texts, out, frozen=True, max_f1_drop=(0.0, 0.0, 0.0)))
    assert "entropy" not in load_engine(out).points
    assert 'engine.tag("…", "dense")' in (out / "README.md").read_text()
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("*.safetensors")}
    accelerate(config(plain_folder, texts, out, frozen=True, max_f1_drop=(0.0, 0.0, 95.0)), resume=True)
    assert list(load_engine(out).points["entropy"]) == ["fast"]
    assert "the last start took 0 minutes" in (out / "README.md").read_text()
    assert before == {file.name: file.stat().st_mtime_ns for file in out.glob("*.safetensors")}


def test_few_windows_are_warned_of_with_the_standard_error(frozen, plain_folder, texts, caplog, small_search):
    out, _ = frozen
    accelerate(config(plain_folder, texts, out, frozen=True), resume=True)
    assert "only 120 windows were held out: the agreement has a standard error of up to" in caplog.text


def test_a_run_that_was_cut_goes_on_and_ends_like_one_that_was_not(
    plain_folder, texts, tmp_path, small_search, monkeypatch
):
    plan = distill.Plan(texts=240, passes=4.0, segments=4, steps=5, mixed_precision="no")
    monkeypatch.setattr(distill, "planned", lambda *_: plan)
    whole, cut = (config(plain_folder, texts, tmp_path / name) for name in ("whole", "cut"))
    accelerate(whole)
    train_epoch = distill.Distillation._train_epoch

    def interrupted(run):
        if run.epoch == 3:
            raise KeyboardInterrupt
        return train_epoch(run)

    with monkeypatch.context() as patch:
        patch.setattr(distill.Distillation, "_train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            accelerate(cut)
    labelled = (tmp_path / "cut" / "training" / "labels.npz").stat().st_mtime_ns
    accelerate(cut, resume=True)
    assert (tmp_path / "cut" / "training" / "labels.npz").stat().st_mtime_ns == labelled, "the labels were made again"

    def losses(name):
        log = tmp_path / name / "training" / "run" / "log.jsonl"
        return [json.loads(line)["loss"] for line in log.read_text().splitlines()]

    assert len(losses("cut")) == 4
    assert losses("cut") == pytest.approx(losses("whole"), abs=1e-3)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("cut", "whole"))
    for key, value in one.items():  # the averaged weights, on which no loss depends
        torch.testing.assert_close(value, other[key], atol=5e-3, rtol=0)
    assert not (tmp_path / "cut" / "training" / "run" / "checkpoint").exists()


def test_as_many_texts_are_held_back_as_there_is_time_for_and_later_starts_use_the_same(
    plain_folder, texts, tmp_path, small_search, monkeypatch, caplog
):
    out, same = tmp_path / "out", config(plain_folder, texts, tmp_path / "out", frozen=True)
    for share in (0.0, 1e6):
        monkeypatch.setattr(accelerating, "HELD_OUT", share)
        accelerate(same, resume=True)
        assert "on 104\ntexts that were not learned from (104 windows" in (out / "README.md").read_text()
    assert "only 104 windows were held out" in caplog.text
    assert "are steady: give more --minutes" in caplog.text


def test_time_is_counted_in_words():
    assert accelerating.fitting(["a b c", "d e", "f"], 5) == 2
    assert accelerating.fitting(["a b c", "d e", "f"], 99) == 3
    assert accelerating.fitting(["a b c"], 1) == 1


@pytest.mark.parametrize("stopped", ["delivery.write_checksums", "points.updating"])
def test_a_run_that_was_cut_while_it_wrote_the_folder_goes_on(
    stopped, plain_folder, texts, tmp_path, small_search, monkeypatch
):
    same = config(plain_folder, texts, tmp_path / "out", frozen=True)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"engine.training.{stopped}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            accelerate(same)
    assert not (tmp_path / "out" / "README.md").exists()
    rows = accelerate(same, resume=True)
    assert rows[0].agreement == 100
    assert load_engine(tmp_path / "out").points["entropy"]


def test_points_that_an_earlier_version_left_half_written_are_chosen_again(
    frozen, plain_folder, texts, tmp_path, small_search
):
    out = shutil.copytree(frozen[0], tmp_path / "out")
    stored = load_engine(out).points
    (out / "operating_points.json").write_text('{"entropy": {"ex')
    accelerate(config(plain_folder, texts, out, frozen=True), resume=True)
    assert load_engine(out).points == stored


def test_texts_in_which_nothing_is_found_leave_no_folder_behind(plain_folder, texts, tmp_path, monkeypatch):
    def refused(*_):
        raise InputError("expected entities")

    monkeypatch.setattr(accelerating.Reference, "agreement", refused)
    with pytest.raises(InputError, match="expected entities"):
        accelerate(config(plain_folder, texts, tmp_path / "out", frozen=True))
    assert not (tmp_path / "out").exists()


def test_texts_held_back_apart_are_not_learned_from(plain_folder, texts, tmp_path, small_search):
    out = tmp_path / "out"
    apart = tmp_path / "apart.txt"
    apart.write_text("\n".join(texts.read_text().splitlines()[:150]))
    accelerate(config(plain_folder, texts, out, held_out=(str(apart),), frozen=True))
    with np.load(out / "training" / "labels.npz") as stored:
        assert len(stored["counts"]) == 360 - 150


def test_a_text_is_the_same_whatever_stands_between_its_words(plain_folder, texts, tmp_path):
    pieces, pubtator = load_engine(plain_folder).pieces, tmp_path / "texts.pubtator"
    lines = texts.read_text().splitlines()
    titles = [line.partition(" ") for line in lines[:150]]  # a newline follows them
    pubtator.write_text("\n".join(f"{n}|t|{title}\n{n}|a|{rest}\n" for n, (title, _, rest) in enumerate(titles)))
    apart = split_texts([str(texts)], [str(pubtator)], pieces, 0)
    assert sorted(apart.learned) == sorted(lines[150:])
    mixed = split_texts([str(texts), str(pubtator)], [], pieces, 0)
    learned, held_out = ({" ".join(text.split()) for text in part} for part in (mixed.learned, mixed.held_out))
    assert learned | held_out == set(lines)
    assert not learned & held_out


def test_points_need_two_texts_held_back_since_one_has_no_standard_error(plain_folder, tmp_path, monkeypatch):
    pieces, path = load_engine(plain_folder).pieces, tmp_path / "texts.txt"
    path.write_text("".join(f"{word} " * 9000 + "\n" for word in ("nausea", "delirium", "patients")))
    with pytest.raises(
        InputError, match="expected at least 2 texts held out, got 1; give 6 or more after --texts, or 2"
    ):
        split_texts([str(path)], [], pieces, 0)
    assert TextSplit([], ["a", "b", "c"], [120, 1, 1]).needed == 2
    for name in ("NEEDED", "WANTED"):
        monkeypatch.setattr(f"engine.training.held_out.{name}", 1)
    write_texts(path, 6)
    assert len(split_texts([str(path)], [], pieces, 0).held_out) == 2, "one has the windows"


def test_a_setting_of_several_points_is_timed_and_scored_once(monkeypatch):
    early = Strategy("entropy", (1,), EntropyController(1.0))
    reference = Reference([Document("1", "")] * 2, ("T",), (Counts(10, 10, 10),) * 2)
    one = Tried(early, (Counts(9, 10, 10),) * 2, Cost((1,), 1, 1, 1, 2))
    dense = Tried(Strategy("dense"), reference.dense, Cost((1,), 1, 1, 2, 2))
    chosen = {point: replace(one, strategy=replace(early, point=point)) for point in ("balanced", "fast")}
    search = SimpleNamespace(reference=reference, max_drops=(1, 10, 30), chosen=lambda: chosen, measured=lambda: [one])
    timed, scored = [], []
    monkeypatch.setattr(outcome, "speedups", lambda engine, settings, texts, size: timed.append(settings) or [2.0])
    monkeypatch.setattr(outcome, "f1", lambda engine, corpus, setting: scored.append(setting) or 0.5 + len(scored) / 10)
    rows = outcome.measured(None, dense, search, ["one", "two"], "corpus")
    assert timed == [[early]] * 2
    assert scored == [Strategy("dense"), early]
    assert [(row.speedups, row.f1) for row in rows] == [
        ({1: 1.0, 2: 1.0}, 0.6),
        ({}, None),
        ({1: 2.0, 2: 2.0}, 0.7),
        ({1: 2.0, 2: 2.0}, 0.7),
    ]
    assert [row.strategy.point for row in rows[2:]] == ["balanced", "fast"]


def test_labels_that_say_nothing_are_named_by_a_file_and_then_by_the_folder(
    plain_folder, texts, tmp_path, small_search
):
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    settings = json.loads((checkpoint / "config.json").read_text())
    names = list(settings["id2label"].values())
    settings["id2label"] = {str(index): f"LABEL_{index}" for index in range(5)}
    settings["label2id"] = {f"LABEL_{index}": index for index in range(5)}
    (checkpoint / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="give what they mean with --labels"):
        accelerate(config(checkpoint, texts, tmp_path / "no", frozen=True))
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(names))
    accelerate(config(checkpoint, texts, tmp_path / "out", frozen=True, labels=str(labels)))
    one, other = load_engine(plain_folder), load_engine(tmp_path / "out")
    text = "Famotidine had delirium."
    np.testing.assert_array_equal(one.tag(text, "dense").probabilities, other.tag(text, "dense").probabilities)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()


def test_older_weights_files_are_converted_number_by_number(plain_folder, texts, tmp_path, small_search):
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    accelerate(config(checkpoint, texts, tmp_path / "out", frozen=True))
    before, after = load_file(plain_folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


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


@pytest.fixture
def cut(monkeypatch):
    """Starts runs that are interrupted before anything is learned."""

    def interrupted(*_, **__):
        raise TimeoutError

    def start(settings, *, resume=False):
        with pytest.raises(TimeoutError):
            accelerate(settings, resume=resume)

    monkeypatch.setattr(accelerating, "distil", interrupted)
    return start


def test_another_checkpoint_under_the_same_name_is_refused(plain_folder, texts, tmp_path, small_search, cut):
    checkpoint = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    same = config(checkpoint, texts, tmp_path / "out", frozen=True)
    cut(same)
    cut(same, resume=True)
    state = load_file(checkpoint / "model.safetensors")
    state["classifier.bias"] += 1e-3
    save_file(state, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"expected the checkpoint with which the run in .* was begun, got others"):
        accelerate(same, resume=True)


def test_other_labels_under_the_same_name_are_refused(plain_folder, texts, tmp_path, small_search, cut):
    labels = tmp_path / "labels.txt"
    labels.write_text("B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n")
    same = config(plain_folder, texts, tmp_path / "out", frozen=True, labels=str(labels))
    cut(same)
    labels.write_text(labels.read_text().replace("Disease", "Illness"))
    with pytest.raises(InputError, match="expected the labels of the checkpoint with which the run in"):
        accelerate(same, resume=True)


def test_a_run_that_an_earlier_version_began_goes_on(plain_folder, texts, tmp_path, small_search, cut):
    same = config(plain_folder, texts, tmp_path / "out", frozen=True)
    cut(same)
    kept = tmp_path / "out" / "training" / "held_out.json"
    facts = json.loads(kept.read_text())
    kept.write_text(json.dumps({name: facts[name] for name in ("texts", "sha256")}))
    cut(same, resume=True)
    assert json.loads(kept.read_text()) == facts


def test_what_auto_came_to_stays_at_later_starts(plain_folder, texts, tmp_path, small_search, monkeypatch):
    asked = []

    def load(folder, dtype, device):
        asked.append(dtype)
        return load_engine(folder, "bfloat16" if dtype == "auto" else dtype, device)

    monkeypatch.setattr(accelerating, "load_engine", load)
    for resume in (False, True, True):
        accelerate(config(plain_folder, texts, tmp_path / "out", frozen=True, dtype="auto"), resume=resume)
    assert asked == ["auto", "bfloat16", "bfloat16"]


def test_other_texts_under_the_same_names_are_refused(plain_folder, tmp_path, small_search):
    texts = write_texts(tmp_path / "texts.txt", 360)
    same = config(plain_folder, texts, tmp_path / "out", frozen=True)
    accelerate(same)
    write_texts(texts, 400)
    with pytest.raises(InputError, match="expected the texts with which the run in"):
        accelerate(same, resume=True)


def test_a_dtype_that_cannot_run_is_refused_before_anything_is_learned(plain_folder, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.model.precision.int8_works", lambda: False)
    with pytest.raises(InputError, match="expected an x86 processor with VNNI for dtype int8"):
        accelerate(config(plain_folder, texts, tmp_path / "out", dtype="int8"))
    assert not (tmp_path / "out").exists()


def test_another_run_in_the_folder_is_refused(frozen, plain_folder, texts, tmp_path):
    out, _ = frozen
    same = config(plain_folder, texts, out, frozen=True)
    with pytest.raises(InputError, match="with a run in it; add --resume"):
        accelerate(same)
    with pytest.raises(InputError, match=r"got different \['seed'\]"):
        accelerate(config(plain_folder, texts, out, frozen=True, seed=1), resume=True)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="with other files in it"):
        accelerate(config(plain_folder, texts, tmp_path, frozen=True))
    with locked(out / "training"), pytest.raises(InputError, match="another process"):
        accelerate(same, resume=True)


@pytest.mark.parametrize("types", ["Gene", ""])
def test_a_corpus_without_the_models_types_is_refused_at_once(plain_folder, texts, tmp_path, types):
    gold = tmp_path / "gold.jsonl"
    entities = [{"start": 0, "end": 4, "type": types}] if types else []
    gold.write_text(json.dumps({"text": "BRCA1 matters.", "entities": entities}))
    message = (
        f"expected entities of Disease, Chemical in .*gold.jsonl all, got {types or 'none'}; choose another --corpus"
    )
    with pytest.raises(InputError, match=message):
        accelerate(config(plain_folder, texts, tmp_path / "out", corpus=str(gold)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nausea after famotidine\n" * 9, "expected at least 100 windows of text held out, got 0; give three times"),
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


def test_too_few_texts_held_back_apart_are_counted(plain_folder, texts, tmp_path):
    few = write_texts(tmp_path / "few.txt", 30, seed=5)
    with pytest.raises(InputError, match="got 30; give texts with 70 more after --held-out"):
        accelerate(config(plain_folder, texts, tmp_path / "out", held_out=(str(few),)))


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
        {"mixed_precision": "fp8"},
        {"seed": 3_000_000_000},
    ],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(InputError, match="expected"):
        AccelerateConfig(checkpoint="c", texts=("t",), out="o", **changes)


def test_texts_seen_often_are_learned_from_at_a_lower_rate():
    assert [distill.encoder_lr(passes, 128) for passes in (1, 2, 30)] == [6e-5, 6e-5, 1e-5]
    assert 1e-5 < distill.encoder_lr(4, 128) < 6e-5


def test_wide_encoders_learn_at_a_lower_rate():
    rates = [distill.encoder_lr(1, hidden_size) for hidden_size in (256, 384, 768, 4096)]
    assert rates == pytest.approx([6e-5, 4e-5, 2e-5, 1e-5])


def test_words_leave_in_training_where_they_are_as_certain_as_most_words_of_the_checkpoint(plain_folder, tmp_path):
    weights = load_weights(plain_folder)
    targets = np.zeros((3, len(weights.model.labels)), np.uint8)
    targets[:, :2] = [250, 5], [255, 0], [128, 127]
    examples = make_examples(["nausea", "and", "delirium"], targets, load_engine(plain_folder).pieces)
    plan = distill.Plan(1, 1.0, 1, 1, "no")
    settings = distill.settings(weights.source, 128, tmp_path, plan, frozen=False, seed=0)
    lowest = distill.usual_entropy(examples)
    run = distill.Distillation(settings, with_gates(weights.model), weights, examples, 1, lowest, lambda _: 0.0)
    assert run.lowest == pytest.approx(normalised_entropy(targets[:1] / 255)[0])


def test_texts_that_are_not_learned_from_are_not_split_and_labels_of_an_earlier_start_are_kept(
    plain_folder, texts, tmp_path, monkeypatch
):
    weights, split = load_weights(plain_folder), []
    engine, faster = accelerating.Engine(weights), accelerating.Engine(weights, "bfloat16")
    lines = texts.read_text().splitlines()[:20]
    monkeypatch.setattr("engine.training.texts.words_of", lambda text: split.append(text) or words_of(text))
    for labeller, count, used in ((engine, 5, 5), (engine, 3, 5), (faster, 7, 7)):
        split.clear()
        own, labels = distill.own_labels(weights, labeller, lines, count, tmp_path / "labels.npz")
        assert split == lines[:used]
        assert len(own.words) == len(labels.counts) == used
    assert labels.sha256 == digest(lines), "of all texts, as earlier versions stored it"
    assert labels.teachers == engine.digest
    replace(labels, teachers="another").save(tmp_path / "labels.npz")
    with pytest.raises(InputError, match="expected soft labels of the same texts and types by the same teachers"):
        distill.own_labels(weights, engine, lines, 7, tmp_path / "labels.npz")


def test_before_training_words_are_looked_at_once_and_trials_leave_nothing_in_memory(
    plain_folder, texts, tmp_path, monkeypatch
):
    weights, trials, looked = load_weights(plain_folder), [], []
    usual_entropy = distill.usual_entropy

    def timed(run):
        assert not any(trial() for trial in trials), "two trials in memory"
        trials.append(weakref.ref(run))
        return 1.0

    def fit(run):
        assert len(trials) == 2
        assert not any(trial() for trial in trials), "a trial in memory"
        raise KeyboardInterrupt

    monkeypatch.setattr(distill, "seconds_per_step", timed)
    monkeypatch.setattr(distill, "usual_entropy", lambda examples: looked.append(1) or usual_entropy(examples))
    monkeypatch.setattr(distill.Distillation, "fit", fit)
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt):
            distill.distil(
                weights,
                accelerating.Engine(weights),
                texts.read_text().splitlines()[:20],
                20,
                lambda model: 0.0,
                tmp_path,
                frozen=True,
                precisions=("no", "bf16"),
                seconds=lambda: 1.0,
                seed=0,
            )
    finally:
        gc.enable()
    assert looked == [1]


def test_texts_are_labelled_in_bfloat16_only_where_it_may_be_used_and_is_faster(plain_folder, monkeypatch):
    weights = load_weights(plain_folder)
    engine = load_engine(plain_folder)
    asked = []

    class Slow(accelerating.Engine):
        def tag_batch(self, texts, strategy):
            asked.append(self.dtype)
            time.sleep(0.3)
            return super().tag_batch(texts, strategy)

    monkeypatch.setattr(accelerating, "Engine", Slow)
    assert accelerating._fastest(engine, weights, ("no",), ["nausea"]) == (engine, 1.0)
    assert not asked
    assert accelerating._fastest(engine, weights, ("no", "bf16"), ["nausea"])[0] is engine
    assert set(asked) == {"bfloat16"}


def test_the_fastest_precision_is_taken_and_training_fills_its_time():
    plan = distill.planned(100, 50, {"no": 2.0, "bf16": 1.0}, 1200)
    assert (plan.mixed_precision, plan.segments * plan.steps, plan.passes) == ("bf16", 1204, 24.08)
    assert plan.segments == 7  # about three minutes each
    assert distill.planned(100, 50, {"no": 0.001}, 1e6).passes == distill.MAX_PASSES
    assert distill.planned(100, 50, {"no": 10.0}, 1).passes >= 1


@pytest.mark.parametrize("family", ["roberta", "distilbert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("frozen", [True, False])
def test_checkpoints_of_other_families_are_made_fast_too(family, frozen, texts, tmp_path, small_search, monkeypatch):
    monkeypatch.setattr(distill, "planned", lambda *_: distill.Plan(240, 1.0, 1, 2, "no"))
    tokenizer = tokenizer_of(family)
    settings = tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out"
    huggingface(settings).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    rows = accelerate(config(checkpoint, texts, out, frozen=frozen))
    assert rows[0].agreement == 100 or not frozen
    one, other = load_engine(checkpoint), load_engine(out)
    for text in ("Famotidine had delirium.", "nausea after hypotension"):
        before, after = one.tag(text, "dense").probabilities, other.tag(text, "dense").probabilities
        assert np.array_equal(before, after) == frozen
        assert len(other.tag(text, "entropy:fast" if rows[-1].reached else "truncate-1").words) == len(before)
