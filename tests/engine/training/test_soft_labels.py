"""The soft labels that a teacher gives texts, and students that learn from these."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine import InputError, load_engine
from engine.pytorch.checkpoint import save_weights
from engine.text.labels import LabelSet
from engine.text.words import words_of
from engine.training import soft_labels
from engine.training.finetune import FinetuneConfig, finetune
from engine.training.soft_labels import SoftLabels, label_texts
from engine.training.trainer import Trainer
from tests.engine.training.corpora import write_pubtator

TEXTS = [" ".join(["patients had nausea after famotidine .", "nausea 5 - 6 and delirium ."] * n) for n in range(8, 14)]
BOTH = LabelSet(("Chemical", "Disease"))


@pytest.fixture(scope="module")
def teacher(plain_folder):
    return load_engine(plain_folder, "float32")


@pytest.fixture(scope="module")
def labels(teacher, tmp_path_factory):
    return label_texts(teacher, TEXTS, tmp_path_factory.mktemp("soft") / "new" / "labels.npz")


def test_soft_labels_are_the_teachers_distribution_of_every_word(labels, teacher, engine):
    assert labels.counts.tolist() == [len(words_of(text)) for text in TEXTS]
    expected = [one.probabilities for one in teacher.tag_batch(TEXTS, "dense")]
    np.testing.assert_allclose(labels.targets / 255, np.concatenate(expected), atol=0.003)
    examples = labels.examples(TEXTS, engine.pieces, teacher.labels)
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.words for example in examples) >= len(labels.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_labelling_that_was_interrupted_continues(labels, teacher, tmp_path):
    out, first = tmp_path / "labels.npz", labels.counts[0]
    marked = np.full_like(labels.targets[:first], 51)
    replace(labels, targets=marked, counts=labels.counts[:1]).save(out)
    continued = label_texts(teacher, TEXTS, out)
    assert continued.counts.tolist() == labels.counts.tolist()
    np.testing.assert_array_equal(continued.targets[:first], marked)
    np.testing.assert_allclose(continued.targets[first:].astype(int), labels.targets[first:], atol=1)


def test_labels_are_not_mixed_with_those_of_others(teacher, engine, tmp_path):
    out = tmp_path / "labels.npz"
    label_texts(teacher, TEXTS, out)
    before = out.read_bytes()
    for other, texts in ((engine, TEXTS), (teacher, TEXTS[:2])):
        with pytest.raises(InputError, match="labels of the same texts by the same teacher"):
            label_texts(other, texts, out)
    assert out.read_bytes() == before


def test_labels_in_another_order_are_learned(labels, engine):
    here, there = (
        np.concatenate([example.targets for example in labels.examples(TEXTS, engine.pieces, order)])
        for order in (BOTH, LabelSet(("Disease", "Chemical")))
    )
    np.testing.assert_array_equal(there, here[:, [0, 3, 4, 1, 2]])


@pytest.mark.parametrize(("until", "calls"), [(math.inf, 4), (0, 1)])
def test_labels_are_saved_after_each_call_until_the_time_is_over(until, calls, tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "SAVE_S", 0)
    out, saved = tmp_path / "labels.npz", []

    def tag_batch(texts, _):
        saved.append(len(SoftLabels.load(out).counts) if out.exists() else 0)
        return [SimpleNamespace(probabilities=np.eye(5)[:1])] * len(texts)

    teacher = SimpleNamespace(tag_batch=tag_batch, labels=BOTH, fingerprint={}, dtype="float32", source="teacher")
    labels = label_texts(teacher, ["word"] * 4 * soft_labels.CALL, out, until)
    assert saved == [number * soft_labels.CALL for number in range(calls)], "one call in any case"
    assert labels.counts.tolist() == SoftLabels.load(out).counts.tolist() == [1] * calls * soft_labels.CALL


def test_a_student_learns_the_teachers_distributions(labels, plain_folder, encoder, tmp_path):
    spans = [(0, 10, "Chemical"), (18, 24, "Disease")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(tmp_path / name, "famotidine caused nausea .", spans, count)
    settings = {"soft_share": 100, "temperature": 1.0, "epochs": 12, "mask": 0, "lr": 0.01, "max_rows": 100}
    settings |= {"dropout": 0, "out": str(tmp_path / "run"), "teacher": str(plain_folder)}
    settings |= {"corpus": str(tmp_path / "train.txt"), "dev_corpus": str(tmp_path / "dev.txt")}
    config = FinetuneConfig(backbone=str(encoder), **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "evaluate", lambda run, _: save_weights(run.out, run.model, run.tokenizer))
        patch.setattr(Trainer, "is_over", lambda run: run.schedule.last_epoch >= run.steps)
        finetune(config, TEXTS)
    learned = load_engine(tmp_path / "run", "float32")
    found = learned.tag(TEXTS[0], "dense").probabilities
    taught = labels.targets[: len(found), [labels.names.index(name) for name in learned.labels.names]] / 255
    assert np.abs(taught - found).mean() < 0.05
