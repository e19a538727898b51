import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertModel, MPNetConfig, MPNetModel

from engine import InputError, load_engine
from engine.training import soft_labels, teacher
from engine.training.finetune import FinetuneConfig, Finetuning
from engine.training.loop import train
from engine.training.soft_labels import SoftLabels, join_sentences, sentences_per_text
from engine.training.teacher import TeacherConfig, TeacherTraining, load_teacher
from tests.conftest import tiny_config

ABSTRACT = "famotidine caused nausea . Nausea after famotidine ."
SENTENCES = ["patients had nausea after famotidine .", "nausea 5 - 6 and\u2028delirium .", "no delirium ."]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "train.txt"
    spans = [(0, 10, "Chemical"), (18, 24, "Disease"), (27, 33, "Disease"), (40, 50, "Chemical")]
    lines = []
    for number in range(8):
        lines += [f"{number}|t|{ABSTRACT}", f"{number}|a|"]
        lines += [f"{number}\t{a}\t{b}\t{ABSTRACT[a:b]}\t{type_}\t-1" for a, b, type_ in spans] + [""]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory, tokenizer):
    """An encoder of an architecture that the engine has no adapter for."""
    folder = tmp_path_factory.mktemp("mpnet")
    torch.manual_seed(0)
    tiny = tiny_config(len(tokenizer)).to_dict()
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    settings = {name: tiny[name] for name in names}
    MPNetModel(MPNetConfig(**settings, max_position_embeddings=60, pad_token_id=0)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(mpnet, corpus, tmp_path_factory):
    settings = TeacherConfig(
        backbone=str(mpnet),
        out=str(tmp_path_factory.mktemp("teacher")),
        corpus=str(corpus),
        dev_corpus=str(corpus),
        epochs=25,
        patience=25,
        lr=0.01,
        max_rows=60,
        average=0.5,
        mixed_precision="no",
    )
    return settings.out, train(TeacherTraining, settings)


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentences") / "sentences.txt.gz"
    path.write_bytes(gzip.compress("\n".join(SENTENCES * 40).encode()))
    return path


@pytest.fixture(scope="module")
def labelled(trained, sentences, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft") / "soft.npz"
    assert soft_labels.main(options(trained, sentences, out)) == 0
    return out


def options(trained, sentences, out, count=40):
    return ["--teacher", trained[0], "--sentences", str(sentences), "--count", str(count), "--out", str(out)]


def test_a_teacher_of_any_architecture_learns_and_is_a_plain_checkpoint(trained):
    folder, f1 = trained
    assert f1 > 0.9
    model = load_teacher(folder)
    (probabilities,) = model.probabilities([["famotidine", "caused", "nausea"]])
    assert [model.labels.names[label] for label in probabilities.argmax(-1)] == ["B-Chemical", "O", "B-Disease"]


def test_a_teacher_labels_all_words_of_a_text_longer_than_its_windows(trained):
    model = load_teacher(trained[0])
    short, long, none = model.probabilities([["nausea"], ["nausea", "after"] * 60, []])
    assert short.shape == (1, 5)
    assert long.shape == (120, 5)
    assert none.shape == (0, 5)
    np.testing.assert_allclose(long.sum(-1), 1, atol=1e-3)


def test_sentences_are_joined_until_a_text_is_as_long_as_an_abstract():
    counts = list(sentences_per_text(SENTENCES * 40))
    texts = list(join_sentences(SENTENCES * 40, counts))
    assert sum(counts) == 120
    assert all(soft_labels.WORDS_PER_TEXT <= len(words) < soft_labels.WORDS_PER_TEXT + 10 for words in texts[:-1])
    assert texts[0][:6] == ["patients", "had", "nausea", "after", "famotidine", "."]


def test_soft_labels_hold_a_distribution_for_every_word(labelled, sentences, engine):
    stored = SoftLabels.load(labelled)
    assert stored.texts.sum() >= 40
    assert np.abs(stored.targets.astype(int).sum(-1) - 255).max() <= 3
    examples = stored.examples(sentences, engine.pieces, stored.names)
    # Windows of 98 pieces overlap, so that words may stand in two of them.
    assert sum(example.window.words for example in examples) >= len(stored.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_labelling_that_was_cut_goes_on_and_more_sentences_are_added(labelled, trained, sentences, tmp_path):
    out = tmp_path / "soft.npz"
    assert soft_labels.main(options(trained, sentences, out, count=1)) == 0
    first = SoftLabels.load(out)
    marked = np.full_like(first.targets, 51)
    replace(first, targets=marked).save(out)
    assert soft_labels.main(options(trained, sentences, out)) == 0
    whole, resumed = SoftLabels.load(labelled), SoftLabels.load(out)
    np.testing.assert_array_equal(resumed.targets, np.concatenate((marked, whole.targets[len(marked) :])))


def test_a_student_learns_the_teachers_distributions(trained, labelled, sentences, corpus, tokenizer, tmp_path):
    backbone = tmp_path / "student"
    config = tiny_config(len(tokenizer))
    config.initializer_range = 0.1
    torch.manual_seed(0)
    BertModel(config).save_pretrained(backbone)
    tokenizer.save_pretrained(backbone)
    settings = FinetuneConfig(
        backbone=str(backbone),
        out=str(tmp_path),
        corpus=str(corpus),
        dev_corpus=str(corpus),
        soft_labels=str(labelled),
        sentences=str(sentences),
        soft_share=100,
        temperature=1.0,
        epochs=20,
        mask=0,
        lr=0.01,
        max_rows=100,
        dropout=0,
        mixed_precision="no",
    )
    run = Finetuning(settings)
    for run.epoch in range(1, 21):
        run._train_epoch()
    run.save(run.model, tmp_path / "run")
    stored = SoftLabels.load(labelled)
    text = " ".join((SENTENCES * 40)[: stored.texts[0]])
    learned = load_engine(tmp_path / "run").tag(text, "dense").probabilities
    taught = stored.targets[: len(learned)] / 255
    spread = np.abs(taught - taught.mean(0)).mean()
    assert np.abs(taught - learned).mean() < 0.6 * spread


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--teacher": "/no/such"}, "expected a Hugging Face encoder"),
        ({"--sentences": "/no/such"}, "expected a file of sentences"),
        ({"--count": "0"}, "expected --count of 1 or more"),
    ],
)
def test_wrong_input_for_soft_labels_ends_with_status_2(trained, sentences, tmp_path, capsys, change, message):
    given = options(trained, sentences, tmp_path / "soft.npz")
    settings = dict(zip(given[::2], given[1::2], strict=True)) | change
    assert soft_labels.main([part for pair in settings.items() for part in pair]) == 2
    assert message in capsys.readouterr().err


def test_soft_labels_of_other_sentences_are_refused(labelled, trained, tmp_path, engine):
    other = tmp_path / "other.txt"
    other.write_text("nausea .\n")
    stored = SoftLabels.load(labelled)
    with pytest.raises(InputError, match="expected sentences with SHA-256"):
        stored.examples(other, engine.pieces, stored.names)
    with pytest.raises(InputError, match="expected soft labels of the same sentences"):
        soft_labels.label(trained[0], other, 1, labelled)
    with pytest.raises(InputError, match="expected soft labels in"):
        SoftLabels.load(tmp_path / "none.npz")


def test_the_teachers_command_refuses_an_unusable_backbone(corpus, tmp_path, capsys):
    assert teacher.main(["--backbone", "/no/such", "--out", str(tmp_path / "run"), "--corpus", str(corpus)]) == 2
    assert "expected a Hugging Face encoder" in capsys.readouterr().err
