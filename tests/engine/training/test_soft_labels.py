"""The soft labels that a teacher gives texts, and students that learn from these."""

import gzip
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine import InputError, load_engine
from engine.text.labels import LabelSet
from engine.text.words import words_of
from engine.training import soft_labels
from engine.training.finetune import FinetuneConfig, Finetuning, soft_examples
from engine.training.soft_labels import SoftLabels
from tests.conftest import scaled
from tests.engine.training.corpora import write_pubtator, write_texts

TEXTS = [" ".join(["patients had nausea after famotidine .", "nausea 5 - 6 and delirium ."] * n) for n in range(8, 14)]
BOTH = LabelSet(("Chemical", "Disease"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt.gz"
    path.write_bytes(gzip.compress("\n".join(TEXTS).encode()))
    return path


@pytest.fixture
def abstracts(tmp_path):
    return write_texts(tmp_path / "abstracts.txt", 2)


def labels_of(teacher, texts, out, *more):
    assert soft_labels.main(["--teacher", str(teacher), "--texts", str(texts), "--out", str(out), *more]) == 0
    return SoftLabels.load(out)


@pytest.fixture(scope="module")
def labelled(plain_folder, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft") / "new" / "soft.npz"
    labels_of(plain_folder, texts, out)
    return out


def test_soft_labels_are_the_teachers_distribution_of_every_word(labelled, plain_folder, engine):
    stored = SoftLabels.load(labelled)
    assert stored.counts.tolist() == [len(words_of(text)) for text in TEXTS]
    expected = [one.probabilities for one in load_engine(plain_folder).tag_batch(TEXTS, "dense")]
    np.testing.assert_allclose(stored.targets / 255, np.concatenate(expected), atol=0.003)
    examples = stored.examples(TEXTS, engine.pieces)
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.words for example in examples) >= len(stored.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_labelling_that_was_interrupted_continues(labelled, plain_folder, texts, tmp_path):
    whole, out = SoftLabels.load(labelled), tmp_path / "soft.npz"
    first = whole.counts[0]
    marked = np.full_like(whole.targets[:first], 51)
    replace(whole, targets=marked, counts=whole.counts[:1]).save(out)
    resumed = labels_of(plain_folder, texts, out)
    assert resumed.counts.tolist() == whole.counts.tolist()
    np.testing.assert_array_equal(resumed.targets[:first], marked)
    np.testing.assert_allclose(resumed.targets[first:].astype(int), whole.targets[first:], atol=1)


def test_a_student_learns_the_teachers_distributions(labelled, texts, encoder, tmp_path):
    spans = [(0, 10, "Chemical"), (18, 24, "Disease")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(tmp_path / name, "famotidine caused nausea .", spans, count)
    settings = {"soft_share": 100, "temperature": 1.0, "epochs": 8, "mask": 0, "lr": 0.01, "max_rows": 100}
    settings |= {"soft_labels": f"{labelled}={texts},{labelled}={texts}", "dropout": 0, "out": str(tmp_path)}
    settings |= {"corpus": str(tmp_path / "train.txt"), "dev_corpus": str(tmp_path / "dev.txt")}
    run = Finetuning(FinetuneConfig(backbone=str(encoder), **settings))
    for run.epoch in range(1, 9):
        run.train_epoch()
    run.save(tmp_path / "run")
    stored = SoftLabels.load(labelled)
    assert len(run.soft) == 2 * len(stored.examples(TEXTS, run.pieces))
    learned = load_engine(tmp_path / "run").tag(TEXTS[0], "dense").probabilities
    taught = stored.ordered(run.model.labels.names).targets[: len(learned)] / 255
    assert np.abs(taught - learned).mean() < 0.05


def test_labels_are_not_mixed_with_those_of_others(labelled, plain_folder, texts, abstracts, tmp_path, capsys):
    other, before = shutil.copytree(plain_folder, tmp_path / "other"), labelled.read_bytes()
    scaled(other, "model.safetensors", 1.01)
    for teacher, given in ((other, texts), (plain_folder, abstracts)):
        assert soft_labels.main(["--teacher", str(teacher), "--texts", str(given), "--out", str(labelled)]) == 2
        assert "the same texts by the same teacher" in capsys.readouterr().err
        assert labelled.read_bytes() == before


@pytest.mark.parametrize(
    ("pair", "labels", "message"),
    [
        ("{labels}={abstracts}", BOTH, "to be the file that"),
        ("{labels}={texts}", LabelSet(["Disease"]), "choose a teacher"),
        ("{labels}={texts}", LabelSet.from_names(["O", "Chemical", "Disease"]), "choose a teacher"),
        ("{labels}", BOTH, "LABELS=TEXTS"),
        ("none.npz={texts}", BOTH, "soft labels in none.npz"),
    ],
)
def test_soft_labels_that_a_student_cannot_learn_are_refused(pair, labels, message, labelled, texts, abstracts, engine):
    files = {"labels": labelled, "texts": texts, "abstracts": abstracts}
    with pytest.raises(InputError, match=message):
        soft_examples(pair.format(**files), engine.pieces, labels)


def test_damaged_soft_labels_are_named(labelled, tmp_path):
    path, array = tmp_path / "soft.npz", tmp_path / "array.npy"
    np.save(array, np.zeros(3))
    for content in (labelled.read_bytes()[:1000], array.read_bytes(), b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"expected soft labels in .*soft\.npz"):
            SoftLabels.load(path)


def test_labels_in_another_order_are_learned(labelled, texts, engine):
    here, there = (
        np.concatenate([one.targets for one in soft_examples(f"{labelled}={texts}", engine.pieces, labels)])
        for labels in (BOTH, LabelSet(("Disease", "Chemical")))
    )
    np.testing.assert_array_equal(there, here[:, [0, 3, 4, 1, 2]])


@pytest.mark.parametrize(("deadline", "calls"), [(math.inf, 4), (0, 1)])
def test_labels_are_saved_after_each_call_until_the_deadline(deadline, calls, tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "SAVE_S", 0)
    monkeypatch.setattr(soft_labels, "SAVING", math.inf)
    out, saved = tmp_path / "soft.npz", []

    def tag_batch(texts, _):
        saved.append(len(SoftLabels.load(out).counts) if out.exists() else 0)
        return [SimpleNamespace(probabilities=np.eye(5)[:1])] * len(texts)

    teacher = SimpleNamespace(tag_batch=tag_batch, labels=BOTH, fingerprint={}, dtype="float32")
    labels = soft_labels.store_labels(teacher, ["word"] * 4 * soft_labels.CALL, out, deadline)
    assert saved == [number * soft_labels.CALL for number in range(calls)], "one call in any case"
    assert labels.counts.tolist() == SoftLabels.load(out).counts.tolist() == [1] * calls * soft_labels.CALL
