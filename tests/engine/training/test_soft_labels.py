"""Texts for training, the soft labels that a teacher gives them, and students that learn from these."""

import gzip
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, BertModel

from engine import InputError, load_engine
from engine.model.tokenizer import load_tokenizer
from engine.text.labels import LabelSet
from engine.text.words import split_words
from engine.training import soft_labels
from engine.training.data import WORDS_PER_TEXT, read_words
from engine.training.finetune import FinetuneConfig, Finetuning, soft_examples
from engine.training.soft_labels import SoftLabels
from tests.conftest import tiny_config
from tests.engine.training.corpora import write_pubtator

ABSTRACT = "famotidine caused nausea . Nausea after famotidine ."
SENTENCES = ["patients had nausea after famotidine .", "nausea 5 - 6 and\u2028delirium .", "no delirium ."]
DISEASE = ("O", "B-Disease", "I-Disease")
BOTH = LabelSet(("Chemical", "Disease"))


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentences") / "sentences.txt.gz"
    path.write_bytes(gzip.compress("\n".join(SENTENCES * 40).encode("utf-8-sig")))
    return path


@pytest.fixture(scope="module")
def abstracts(tmp_path_factory):
    path = tmp_path_factory.mktemp("abstracts") / "abstracts.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a", "text": "nausea ."}\n{"text": "no delirium after famotidine"}\n'))
    return path


def label(teacher, texts, out, *more):
    return soft_labels.main(["--teacher", str(teacher), "--texts", str(texts), "--out", str(out), *more])


def labels_of(teacher, texts, out, *more):
    assert label(teacher, texts, out, *more) == 0
    return SoftLabels.load(out)


@pytest.fixture(scope="module")
def labelled(plain_folder, sentences, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft") / "soft.npz"
    assert label(plain_folder, sentences, out) == 0
    return out


@pytest.fixture(scope="module")
def others(plain_folder, tmp_path_factory):
    """Teachers with other weights, another configuration and another tokenizer."""
    names = ("weights", "configuration", "tokenizer")
    folders = {name: shutil.copytree(plain_folder, tmp_path_factory.mktemp(name) / "teacher") for name in names}
    model = AutoModelForTokenClassification.from_pretrained(plain_folder)
    with torch.no_grad():
        model.classifier.weight.neg_()
    model.save_pretrained(folders["weights"])
    model.config.layer_norm_eps = 1e-4
    model.config.save_pretrained(folders["configuration"])
    tokenizer = load_tokenizer(plain_folder)
    tokenizer.unk_token = "[MASK]"
    tokenizer.save_pretrained(folders["tokenizer"])
    return folders


def test_sentences_are_joined_until_a_text_is_as_long_as_an_abstract_and_whole_texts_are_not(sentences, abstracts):
    texts = read_words(sentences)
    assert sum(map(len, texts)) == sum(len(split_words(sentence)) for sentence in SENTENCES * 40)
    assert all(WORDS_PER_TEXT <= len(words) < WORDS_PER_TEXT + 10 for words in texts[:-1])
    assert texts[0][:6] == ["patients", "had", "nausea", "after", "famotidine", "."]
    assert texts[0][6:13] == ["nausea", "5", "-", "6", "and", "delirium", "."]  # lines end only at \n
    assert read_words(abstracts) == [["nausea", "."], ["no", "delirium", "after", "famotidine"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("texts.txt", b"Nausea.\n\xff", "texts.txt:2: .*expected UTF-8"),
        ("texts.txt", b"\n", "got none"),
        ("texts.pubtator", b"1|t|Nausea.\n1|a|\n", ".pubtator file; convert it"),
    ],
)
def test_a_file_of_texts_that_cannot_be_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_words(tmp_path / name)


def test_soft_labels_hold_a_distribution_for_every_word(labelled, sentences, engine):
    stored, texts = SoftLabels.load(labelled), read_words(sentences)
    assert stored.counts.tolist() == [len(words) for words in texts]
    assert np.abs(stored.targets.astype(int).sum(-1) - 255).max() <= 3
    examples = stored.examples(texts, engine.pieces)
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.words for example in examples) >= len(stored.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_whole_texts_are_labelled_like_joined_sentences_into_a_new_folder(plain_folder, abstracts, tmp_path):
    stored = labels_of(plain_folder, abstracts, tmp_path / "new" / "soft.npz")
    engine = load_engine(plain_folder)
    expected = [engine.tag(" ".join(text), "dense").probabilities for text in read_words(abstracts)]
    assert stored.counts.tolist() == [2, 4]
    np.testing.assert_allclose(stored.targets / 255, np.concatenate(expected), atol=0.003)


def test_probabilities_of_other_types_are_added_to_outside(plain_folder, abstracts, tmp_path):
    both, one = (
        labels_of(plain_folder, abstracts, tmp_path / f"{types}.npz", "--types", types)
        for types in ("Chemical,Disease,Disease", "Disease")  # a type counts once
    )
    assert (both.names, one.names) == (BOTH.names, DISEASE)
    both_targets = both.targets.astype(int)
    assert both_targets[:, 1:3].max() > 50, "no chemical that could be added"
    np.testing.assert_allclose(one.targets[:, 0], both_targets[:, :3].sum(-1), atol=2)
    np.testing.assert_array_equal(one.targets[:, 1:], both.targets[:, 3:])


def test_labelling_that_was_interrupted_continues(labelled, plain_folder, sentences, tmp_path):
    whole, out = SoftLabels.load(labelled), tmp_path / "soft.npz"
    first = whole.counts[0]
    marked = np.full_like(whole.targets[:first], 51)
    replace(whole, targets=marked, counts=whole.counts[:1]).save(out)
    resumed = labels_of(plain_folder, sentences, out)
    assert resumed.counts.tolist() == whole.counts.tolist()
    np.testing.assert_array_equal(resumed.targets[:first], marked)
    np.testing.assert_allclose(resumed.targets[first:].astype(int), whole.targets[first:], atol=1)


def test_a_student_learns_the_teachers_distributions(labelled, sentences, tokenizer, tmp_path):
    backbone = tmp_path / "student"
    config = tiny_config(len(tokenizer))
    config.initializer_range = 0.1
    torch.manual_seed(0)
    BertModel(config).save_pretrained(backbone)
    tokenizer.save_pretrained(backbone)
    spans = [(0, 10, "Chemical"), (18, 24, "Disease")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(tmp_path / name, "famotidine caused nausea .", spans, count)
    settings = {"soft_share": 100, "temperature": 1.0, "epochs": 8, "mask": 0, "lr": 0.01, "max_rows": 100}
    settings |= {"soft_labels": f"{labelled}={sentences},{labelled}={sentences}", "dropout": 0, "out": str(tmp_path)}
    settings |= {"corpus": str(tmp_path / "train.txt"), "dev_corpus": str(tmp_path / "dev.txt")}
    run = Finetuning(FinetuneConfig(backbone=str(backbone), **settings))
    for run.epoch in range(1, 9):
        run.train_epoch()
    run.save(tmp_path / "run")
    stored = SoftLabels.load(labelled)
    assert len(run.soft) == 2 * len(stored.examples(read_words(sentences), run.pieces))
    learned = load_engine(tmp_path / "run").tag(" ".join(read_words(sentences)[0]), "dense").probabilities
    taught = stored.ordered(run.model.labels.names).targets[: len(learned)] / 255
    assert np.abs(taught - learned).mean() < 0.05


@pytest.mark.parametrize(
    ("change", "keyword"),
    [
        ({"--teacher": "/no/such"}, "token-classification model"),
        ({"--teacher": "{weights}"}, "the same teacher"),
        ({"--teacher": "{configuration}"}, "the same teacher"),
        ({"--teacher": "{tokenizer}"}, "the same teacher"),
        ({"--texts": "/no/such"}, "readable"),
        ({"--texts": "{abstracts}"}, "the same texts"),
        ({"--types": "Gene"}, "--types"),
        ({"--types": "Disease"}, "types"),
    ],
)
def test_labels_are_not_mixed_with_those_of_other_texts_types_or_teachers(
    change, keyword, labelled, plain_folder, others, sentences, abstracts, capsys
):
    before = labelled.read_bytes()
    settings = {"--teacher": str(plain_folder), "--texts": str(sentences), "--out": str(labelled)} | change
    files = {**others, "abstracts": abstracts}
    assert soft_labels.main([part.format(**files) for pair in settings.items() for part in pair]) == 2
    assert keyword in capsys.readouterr().err
    assert labelled.read_bytes() == before


@pytest.mark.parametrize(
    ("pair", "labels", "message"),
    [
        ("{labels}={abstracts}", BOTH, "to be the file that"),
        ("{labels}={sentences}", LabelSet(["Disease"]), "make them with --types Disease"),
        ("{labels}={sentences}", LabelSet.from_names(["O", "Chemical", "Disease"]), "choose a teacher"),
        ("{labels}", BOTH, "LABELS=TEXTS"),
        ("none.npz={sentences}", BOTH, "soft labels in none.npz"),
    ],
)
def test_soft_labels_that_a_student_cannot_learn_are_refused(
    pair, labels, message, labelled, sentences, abstracts, engine
):
    files = {"labels": labelled, "sentences": sentences, "abstracts": abstracts}
    with pytest.raises(InputError, match=message):
        soft_examples(pair.format(**files), engine.pieces, labels)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file, whole: file.write(whole[: len(whole) // 2]),
        lambda file, whole: file.write(whole.replace(b"sha256", b"sha257")),
        lambda file, whole: np.save(file, np.zeros(3)),
        lambda file, whole: None,
    ],
)
def test_damaged_soft_labels_are_named(damage, labelled, tmp_path):
    path = tmp_path / "soft.npz"
    with path.open("wb") as file:
        damage(file, labelled.read_bytes())
    with pytest.raises(InputError, match=r"expected soft labels in .*soft\.npz"):
        SoftLabels.load(path)


def test_labels_in_another_order_are_learned(labelled, sentences, engine):
    here, there = (
        np.concatenate([one.targets for one in soft_examples(f"{labelled}={sentences}", engine.pieces, labels)])
        for labels in (BOTH, LabelSet(("Disease", "Chemical")))
    )
    np.testing.assert_array_equal(there, here[:, [0, 3, 4, 1, 2]])


def test_labels_are_saved_while_they_are_made_until_the_deadline(plain_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "SAVE_S", 0)
    monkeypatch.setattr(soft_labels, "SAVING", np.inf)
    out, saved = tmp_path / "soft.npz", []

    def one_by_one(teacher, texts, columns):
        for number in range(len(texts)):
            saved.append(len(SoftLabels.load(out).counts) if number else 0)
            yield np.array([[1.0, 0.0, 0.0, 0.0, 0.0]])

    monkeypatch.setattr(soft_labels, "distributions", one_by_one)
    labels = soft_labels.store_labels(plain_engine, ["word"] * 900, plain_engine.labels.types, out, deadline=0)
    assert saved == list(range(soft_labels.CALL)), "those of one call are labelled after the deadline, too"
    assert labels.counts.tolist() == SoftLabels.load(out).counts.tolist() == [1] * len(saved)
