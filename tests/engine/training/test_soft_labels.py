"""The soft labels that a teacher gives texts, and students that learn from these."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine import load_engine
from engine.pytorch.checkpoint import save_weights
from engine.text.labels import LabelSet
from engine.text.words import words_of
from engine.training import trials
from engine.training.examples import label_texts, soft_examples
from engine.training.finetune import FinetuneConfig, finetune
from engine.training.trainer import Trainer
from tests.engine.training.corpora import write_pubtator

TEXTS = [" ".join(["patients had nausea after famotidine .", "nausea 5 - 6 and delirium ."] * n) for n in range(8, 14)]


@pytest.fixture(scope="module")
def teacher(plain_folder):
    return load_engine(plain_folder, "float32")


@pytest.fixture(scope="module")
def labels(teacher, tmp_path_factory):
    return label_texts(teacher, TEXTS, tmp_path_factory.mktemp("soft") / "new" / "labels.npz")


def test_soft_labels_are_the_teachers_distribution_of_every_word(labels, teacher, engine):
    assert [len(text_labels) for text_labels in labels] == [len(words_of(text)) for text in TEXTS]
    expected = [result.probabilities for result in teacher.tag_batch(TEXTS, "dense")]
    np.testing.assert_allclose(np.concatenate(labels) / 255, np.concatenate(expected), atol=0.003)
    made, other = (
        soft_examples(TEXTS, labels, teacher.labels, engine.pieces, LabelSet(types))
        for types in (("Chemical", "Disease"), ("Disease", "Chemical"))
    )
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.num_words for example in made) >= sum(map(len, labels))
    assert all(len(example.targets) == example.window.num_words for example in made)
    here, there = (np.concatenate([example.targets for example in examples]) for examples in (made, other))
    np.testing.assert_array_equal(there, here[:, [0, 3, 4, 1, 2]])


def labelled_with(teacher, texts, file):
    """Labels texts with a teacher that says nothing but ``O``; returns the labels and how often the teacher ran."""
    calls = []

    def tag_batch(texts, _):
        calls.append(len(texts))
        return [SimpleNamespace(probabilities=np.eye(5)[:1])] * len(texts)

    return label_texts(SimpleNamespace(tag_batch=tag_batch, source=teacher), texts, file), len(calls)


def test_labels_that_an_interrupted_start_saved_are_kept(tmp_path):
    file, texts = tmp_path / "new" / "labels.npz", ["word"] * 4 * trials.TEXTS_PER_CALL
    assert labelled_with("teacher", texts[: trials.TEXTS_PER_CALL], file)[1] == 1
    whole, ran = labelled_with("teacher", texts, file)
    assert (len(whole), ran) == (len(texts), 3)
    before = file.read_bytes()
    assert labelled_with("teacher", texts, file)[1] == 0
    assert file.read_bytes() == before


def test_a_student_learns_the_teachers_distributions(labels, teacher, plain_folder, encoder, tmp_path):
    spans = [(0, 10, "Chemical"), (18, 24, "Disease")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(tmp_path / name, "famotidine caused nausea .", spans, count)
    settings = {"soft_share": 100, "temperature": 1.0, "epochs": 12, "mask": 0, "lr": 0.01, "max_rows": 100}
    settings |= {"dropout": 0, "out": str(tmp_path / "run"), "teacher": str(plain_folder)}
    settings |= {"corpus": [str(tmp_path / "train.txt")], "dev_corpus": [str(tmp_path / "dev.txt")]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "evaluate", lambda run, _: save_weights(run.out, run.model, run.tokenizer))
        finetune(FinetuneConfig(backbone=str(encoder), **settings), TEXTS)
    learned = load_engine(tmp_path / "run", "float32")
    predicted = learned.tag(TEXTS[0], "dense").probabilities
    taught = labels[0][:, [teacher.labels.names.index(name) for name in learned.labels.names]] / 255
    assert np.abs(taught - predicted).mean() < 0.05
