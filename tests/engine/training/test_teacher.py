"""Teachers, the soft labels that they give to texts, and students that learn from them."""

import gzip
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForTokenClassification, BertModel

from engine import InputError, load_engine
from engine.model.tokenizer import load_tokenizer
from engine.text.labels import LabelSet
from engine.text.words import split_words
from engine.training import soft_labels, teacher
from engine.training.data import WORDS_PER_TEXT, Texts
from engine.training.finetune import FinetuneConfig, Finetuning, soft_examples
from engine.training.loop import train
from engine.training.soft_labels import SoftLabels
from engine.training.teacher import TeacherConfig, TeacherTraining, new_teacher
from tests.conftest import tiny_config
from tests.engine.model.families import tiny, tokenizer_of
from tests.engine.training.corpora import write_pubtator

ABSTRACT = "famotidine caused nausea . Nausea after famotidine ."
SENTENCES = ["patients had nausea after famotidine .", "nausea 5 - 6 and\u2028delirium .", "no delirium ."]
DISEASE = ("O", "B-Disease", "I-Disease")
BOTH = LabelSet(("Chemical", "Disease"))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Options for training documents and those for early stopping."""
    folder = tmp_path_factory.mktemp("corpus")
    spans = [(0, 10, "Chemical"), (18, 24, "Disease"), (27, 33, "Disease"), (40, 50, "Chemical")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(folder / name, ABSTRACT, spans, count)
    return {"corpus": str(folder / "train.txt"), "dev_corpus": str(folder / "dev.txt")}


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory, tokenizer):
    """An encoder of another family than the student's."""
    folder = tmp_path_factory.mktemp("mpnet")
    torch.manual_seed(0)
    config = tiny("mpnet", len(tokenizer), max_position_embeddings=60, pad_token_id=0)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(mpnet, corpora, tmp_path_factory):
    """The folder of a teacher, and its F1."""
    out = str(tmp_path_factory.mktemp("teacher"))
    settings = {"epochs": 25, "patience": 25, "lr": 0.01, "max_rows": 60, "average": 0.5, "mixed_precision": "no"}
    return out, train(TeacherTraining, TeacherConfig(backbone=str(mpnet), out=out, **corpora, **settings))


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


def label(teachers, texts, out, *more):
    return soft_labels.main(["--teacher", teachers, "--texts", str(texts), "--out", str(out), *more])


def labels_of(teachers, texts, out, *more):
    assert label(teachers, texts, out, *more) == 0
    return SoftLabels.load(out)


@pytest.fixture(scope="module")
def labelled(trained, sentences, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft") / "soft.npz"
    assert label(trained[0], sentences, out) == 0
    return out


@pytest.fixture(scope="module")
def others(trained, tmp_path_factory):
    """Teachers with other weights, another configuration and another tokenizer."""
    names = ("weights", "configuration", "tokenizer")
    folders = {name: shutil.copytree(trained[0], tmp_path_factory.mktemp(name) / "teacher") for name in names}
    model = AutoModelForTokenClassification.from_pretrained(trained[0])
    with torch.no_grad():
        model.classifier.weight.neg_()
    model.save_pretrained(folders["weights"])
    model.config.layer_norm_eps = 1e-4
    model.config.save_pretrained(folders["configuration"])
    tokenizer = load_tokenizer(trained[0])
    tokenizer.unk_token = "[MASK]"
    tokenizer.save_pretrained(folders["tokenizer"])
    return folders


@pytest.mark.parametrize("family", ["distilbert", "modernbert", "deberta-v2"])
def test_every_family_has_dropout_but_in_attention(family, tmp_path):
    AutoModel.from_config(tiny(family, len(tokenizer_of(family)))).save_pretrained(tmp_path)
    config = new_teacher(str(tmp_path), LabelSet.from_names(["O", "Gene", "Disease"]), 0.2).config
    assert {getattr(config, name, 0.2) for name in teacher.DROPOUT} == {0.2}
    assert {getattr(config, name, 0.0) for name in teacher.ATTENTION_DROPOUT} == {0.0}
    assert config.id2label == {0: "O", 1: "Gene", 2: "Disease"}


def test_a_teacher_learns_and_is_a_plain_checkpoint(trained):
    folder, f1 = trained
    assert f1 > 0.9
    engine = load_engine(folder)
    assert not engine.has_gates
    found = engine.tag("famotidine caused nausea", "dense").probabilities.argmax(-1)
    assert [engine.labels.names[label] for label in found] == ["B-Chemical", "O", "B-Disease"]


@pytest.mark.parametrize(
    ("changes", "status", "keyword"),
    [({}, 0, ""), ({"scheme": "bioes"}, 2, "iob2, io"), ({"backbone": "/no/such"}, 2, "Hugging Face encoder")],
)
def test_labels_may_have_one_name_for_each_type(changes, status, keyword, mpnet, corpora, tmp_path, capsys):
    given = {"backbone": str(mpnet), "epochs": "1", "scheme": "io", "out": str(tmp_path / "io")} | corpora | changes
    assert teacher.main([part for name, value in given.items() for part in (f"--{name}", value)]) == status
    assert keyword in capsys.readouterr().err
    assert status or load_engine(tmp_path / "io").labels.names == ("O", "Chemical", "Disease")


def test_a_teacher_may_start_from_a_checkpoint_with_other_labels(trained, tmp_path):
    before = AutoModelForTokenClassification.from_pretrained(trained[0])
    after = new_teacher(trained[0], LabelSet.from_names(["O", "Gene"]), 0.1)
    assert after.classifier.weight.shape == (2, before.classifier.in_features)
    assert after.config.id2label == {0: "O", 1: "Gene"}
    torch.testing.assert_close(after.base_model.state_dict(), before.base_model.state_dict())
    before.config.intermediate_size += 8
    before.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="sizes"):
        new_teacher(str(tmp_path), LabelSet.from_names(["O", "Gene"]), 0.1)


def test_sentences_are_joined_until_a_text_is_as_long_as_an_abstract_and_whole_texts_are_not(sentences, abstracts):
    texts = Texts.read(sentences).words
    assert sum(map(len, texts)) == sum(len(split_words(sentence)) for sentence in SENTENCES * 40)
    assert all(WORDS_PER_TEXT <= len(words) < WORDS_PER_TEXT + 10 for words in texts[:-1])
    assert texts[0][:6] == ["patients", "had", "nausea", "after", "famotidine", "."]
    assert texts[0][6:13] == ["nausea", "5", "-", "6", "and", "delirium", "."]  # lines end only at \n
    assert Texts.read(abstracts).words == [["nausea", "."], ["no", "delirium", "after", "famotidine"]]


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
        Texts.read(tmp_path / name)


def test_soft_labels_hold_a_distribution_for_every_word(labelled, sentences, engine):
    stored, texts = SoftLabels.load(labelled), Texts.read(sentences)
    assert stored.counts.tolist() == [len(words) for words in texts.words]
    assert np.abs(stored.targets.astype(int).sum(-1) - 255).max() <= 3
    examples = stored.examples(texts.words, engine.pieces)
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.words for example in examples) >= len(stored.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_whole_texts_are_labelled_like_joined_sentences_into_a_new_folder(trained, abstracts, tmp_path):
    stored = labels_of(trained[0], abstracts, tmp_path / "new" / "soft.npz")
    engine = load_engine(trained[0])
    expected = [engine.tag(" ".join(text), "dense").probabilities for text in Texts.read(abstracts).words]
    assert stored.counts.tolist() == [2, 4]
    np.testing.assert_allclose(stored.targets / 255, np.concatenate(expected), atol=0.003)


def test_probabilities_of_other_types_are_added_to_outside(trained, abstracts, tmp_path):
    both, one = (
        labels_of(trained[0], abstracts, tmp_path / f"{types}.npz", "--types", types)
        for types in ("Chemical,Disease,Disease", "Disease")  # a type counts once
    )
    assert (both.names, one.names) == (BOTH.names, DISEASE)
    both_targets = both.targets.astype(int)
    assert both_targets[:, 1:3].max() > 50, "no chemical that could be added"
    np.testing.assert_allclose(one.targets[:, 0], both_targets[:, :3].sum(-1), atol=2)
    np.testing.assert_array_equal(one.targets[:, 1:], both.targets[:, 3:])


@pytest.mark.parametrize("types", [("Chemical", "Disease"), ("Disease", "Gene", "Species")])
def test_several_teachers_are_averaged_over_the_types_that_they_share(types, trained, abstracts, tmp_path, capsys):
    other = str(tmp_path / "other")
    torch.manual_seed(0)
    new_teacher(trained[0], LabelSet([*types, "Cell"]), 0.1).save_pretrained(other)
    load_tokenizer(trained[0]).save_pretrained(other)
    teachers = (trained[0], other, f"{trained[0]},{other}")
    found = [
        labels_of(of, abstracts, tmp_path / f"{number}.npz", "--types", "Disease") for number, of in enumerate(teachers)
    ]
    assert {labels.names for labels in found} == {DISEASE}
    first, second, mean = (labels.targets.astype(int) for labels in found)
    assert np.abs(first - second).max() > 20
    np.testing.assert_allclose(mean, (first + second) / 2, atol=1)
    # The default types are those of the first teacher, of which the second may lack one.
    status = label(f"{trained[0]},{other}", abstracts, tmp_path / "all.npz")
    assert status == (0 if "Chemical" in types else 2)
    assert status == 0 or "got ['Chemical']" in capsys.readouterr().err


def test_labelling_that_was_interrupted_continues(labelled, trained, sentences, tmp_path):
    whole, out = SoftLabels.load(labelled), tmp_path / "soft.npz"
    first = whole.counts[0]
    marked = np.full_like(whole.targets[:first], 51)
    replace(whole, targets=marked, counts=whole.counts[:1]).save(out)
    resumed = labels_of(trained[0], sentences, out)
    assert resumed.counts.tolist() == whole.counts.tolist()
    np.testing.assert_array_equal(resumed.targets[:first], marked)
    np.testing.assert_allclose(resumed.targets[first:].astype(int), whole.targets[first:], atol=1)


def test_a_student_learns_the_teachers_distributions(labelled, sentences, corpora, tokenizer, tmp_path):
    backbone = tmp_path / "student"
    config = tiny_config(len(tokenizer))
    config.initializer_range = 0.1
    torch.manual_seed(0)
    BertModel(config).save_pretrained(backbone)
    tokenizer.save_pretrained(backbone)
    settings = {"soft_share": 100, "temperature": 1.0, "epochs": 8, "mask": 0, "lr": 0.01, "max_rows": 100}
    settings |= {"soft_labels": f"{labelled}={sentences},{labelled}={sentences}", "dropout": 0, "out": str(tmp_path)}
    run = Finetuning(FinetuneConfig(backbone=str(backbone), mixed_precision="no", **corpora, **settings))
    for run.epoch in range(1, 9):
        run.train_epoch()
    run.save(run.model, tmp_path / "run")
    stored = SoftLabels.load(labelled)
    assert len(run.soft) == 2 * len(stored.examples(Texts.read(sentences).words, run.pieces))
    text = " ".join(Texts.read(sentences).words[0])
    learned = load_engine(tmp_path / "run").tag(text, "dense").probabilities
    taught = stored.targets[: len(learned)] / 255
    spread = np.abs(taught - taught.mean(0)).mean()
    assert np.abs(taught - learned).mean() < 0.6 * spread


@pytest.mark.parametrize(
    ("change", "keyword"),
    [
        ({"--teacher": "/no/such"}, "token-classification model"),
        ({"--teacher": "{weights}"}, "the same teachers"),
        ({"--teacher": "{configuration}"}, "the same teachers"),
        ({"--teacher": "{tokenizer}"}, "the same teachers"),
        ({"--texts": "/no/such"}, "readable"),
        ({"--texts": "{abstracts}"}, "the same texts"),
        ({"--types": "Gene"}, "--types"),
        ({"--types": "Disease"}, "types"),
    ],
)
def test_labels_are_not_mixed_with_those_of_other_texts_types_or_teachers(
    change, keyword, labelled, trained, others, sentences, abstracts, capsys
):
    before = labelled.read_bytes()
    settings = {"--teacher": trained[0], "--texts": str(sentences), "--out": str(labelled)} | change
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


def test_labels_are_saved_while_they_are_made_until_the_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "SAVE_S", 0)
    monkeypatch.setattr(soft_labels, "SAVING", np.inf)
    out, saved = tmp_path / "soft.npz", []

    def distributions(done):
        for number in range(done, 900):
            saved.append(len(SoftLabels.load(out).counts) if number else 0)
            yield np.array([[1.0, 0.0]])

    labels = soft_labels.store_labels(distributions, 900, ("O", "Disease"), "", "", out, deadline=0)
    assert saved == list(range(soft_labels.CALL)), "those of one call are labelled after the deadline, too"
    assert labels.targets.tolist() == SoftLabels.load(out).targets.tolist() == [[255, 0]] * len(saved)
