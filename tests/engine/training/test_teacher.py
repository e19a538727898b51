import gzip
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForTokenClassification, BertModel, MPNetConfig, MPNetModel

from engine import InputError, load_engine
from engine.text.labels import LabelSet
from engine.text.windows import load_tokenizer
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


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    spans = [(0, 10, "Chemical"), (18, 24, "Disease"), (27, 33, "Disease"), (40, 50, "Chemical")]
    for name, count in (("train.txt", 8), ("dev.txt", 4)):
        write_pubtator(folder / name, ABSTRACT, spans, count)
    return folder / "train.txt"


@pytest.fixture(scope="module")
def dev(corpus):
    return corpus.with_name("dev.txt")


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory, tokenizer):
    """An encoder of another family than the student's."""
    folder = tmp_path_factory.mktemp("mpnet")
    torch.manual_seed(0)
    tiny = tiny_config(len(tokenizer)).to_dict()
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    settings = {name: tiny[name] for name in names}
    MPNetModel(MPNetConfig(**settings, max_position_embeddings=60, pad_token_id=0)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(mpnet, corpus, dev, tmp_path_factory):
    settings = TeacherConfig(
        backbone=str(mpnet),
        out=str(tmp_path_factory.mktemp("teacher")),
        corpus=str(corpus),
        dev_corpus=str(dev),
        epochs=25,
        patience=25,
        lr=0.01,
        max_rows=60,
        average=0.5,
        mixed_precision="no",
    )
    return settings.out, train(TeacherTraining, settings)


@pytest.mark.parametrize("family", ["distilbert", "modernbert", "deberta-v2"])
def test_every_family_has_dropout_but_in_attention(family, tmp_path):
    AutoModel.from_config(tiny(family, len(tokenizer_of(family)))).save_pretrained(tmp_path)
    config = new_teacher(str(tmp_path), LabelSet.from_names(["O", "Gene", "Disease"]), 0.2).config
    assert {getattr(config, name, 0.2) for name in teacher.DROPOUT} == {0.2}
    assert {getattr(config, name, 0.0) for name in teacher.ATTENTION_DROPOUT} == {0.0}
    assert config.id2label == {0: "O", 1: "Gene", 2: "Disease"}


def test_labels_may_have_one_name_for_each_type(mpnet, corpus, dev, tmp_path, capsys):
    options = ["--backbone", str(mpnet), "--corpus", str(corpus), "--dev-corpus", str(dev), "--epochs", "1"]
    assert teacher.main([*options, "--out", str(tmp_path / "io"), "--scheme", "io"]) == 0
    assert load_engine(tmp_path / "io").labels.names == ("O", "Chemical", "Disease")
    assert teacher.main([*options, "--out", str(tmp_path / "other"), "--scheme", "bioes"]) == 2
    assert "expected scheme iob2 or io" in capsys.readouterr().err


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentences") / "sentences.txt.gz"
    path.write_bytes(gzip.compress("\n".join(SENTENCES * 40).encode()))
    return path


@pytest.fixture(scope="module")
def abstracts(tmp_path_factory):
    path = tmp_path_factory.mktemp("abstracts") / "abstracts.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a", "text": "nausea ."}\n{"text": "no delirium after famotidine"}\n'))
    return path


@pytest.fixture(scope="module")
def labelled(trained, sentences, tmp_path_factory):
    out = tmp_path_factory.mktemp("soft") / "soft.npz"
    assert soft_labels.main(options(trained, sentences, out)) == 0
    return out


def options(trained, texts, out):
    return ["--teacher", trained[0], "--texts", str(texts), "--out", str(out)]


def test_a_teacher_learns_and_is_a_plain_checkpoint(trained):
    folder, f1 = trained
    assert f1 > 0.9
    teacher = load_engine(folder)
    assert not teacher.model.has_gates
    found = teacher.tag("famotidine caused nausea", "dense").probabilities.argmax(-1)
    assert [teacher.labels.names[label] for label in found] == ["B-Chemical", "O", "B-Disease"]


def test_sentences_are_joined_until_a_text_is_as_long_as_an_abstract(sentences):
    texts = Texts.read(sentences).words
    assert sum(map(len, texts)) == sum(len(split_words(sentence)) for sentence in SENTENCES * 40)
    assert all(WORDS_PER_TEXT <= len(words) < WORDS_PER_TEXT + 10 for words in texts[:-1])
    assert texts[0][:6] == ["patients", "had", "nausea", "after", "famotidine", "."]
    assert texts[0][6:13] == ["nausea", "5", "-", "6", "and", "delirium", "."]  # lines end only at \n


def test_whole_texts_are_not_joined(abstracts):
    assert Texts.read(abstracts).words == [["nausea", "."], ["no", "delirium", "after", "famotidine"]]


def test_a_byte_order_mark_is_no_word(tmp_path):
    (tmp_path / "texts.txt").write_bytes(b"\xef\xbb\xbfNausea .\n")
    assert Texts.read(tmp_path / "texts.txt").words == [["Nausea", "."]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("texts.txt.gz", b"no gzip", "expected a readable file"),
        ("texts.txt", b"Nausea.\n\xff", "texts.txt:2: expected UTF-8"),
        ("texts.txt", b"\n", "expected texts in .*texts.txt, got none"),
        ("texts.jsonl", b'{"text": " "}', "expected texts in .*texts.jsonl, got none"),
        (
            "texts.pubtator",
            b"1|t|Nausea.\n1|a|\n",
            "expected one sentence per line, .* got a .pubtator file; convert it",
        ),
        ("texts.jsonl", b'{"text": "one"}\n{"title": "two"}\n', r"texts.jsonl:2: expected an object with a .text."),
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
    examples = stored.examples(texts, engine.pieces)
    # Windows of 98 pieces overlap, so that words may be in two of them.
    assert sum(example.window.words for example in examples) >= len(stored.targets)
    assert all(len(example.targets) == example.window.words for example in examples)


def test_whole_texts_are_labelled_like_joined_sentences_into_a_new_folder(trained, abstracts, tmp_path):
    out = tmp_path / "new" / "soft.npz"
    assert soft_labels.main(options(trained, abstracts, out)) == 0
    stored = SoftLabels.load(out)
    words = Texts.read(abstracts).words
    expected = [load_engine(trained[0]).tag(" ".join(text), "dense").probabilities for text in words]
    assert stored.counts.tolist() == [2, 4]
    np.testing.assert_allclose(stored.targets / 255, np.concatenate(expected), atol=0.003)


def test_probabilities_of_other_types_are_added_to_outside(trained, abstracts, tmp_path):
    labels = {}
    for types in ("Chemical,Disease", "Disease"):
        out = tmp_path / f"{types}.npz"
        assert soft_labels.main([*options(trained, abstracts, out), "--types", f"{types},Disease"]) == 0  # one counts
        labels[types] = SoftLabels.load(out)
    both, one = labels["Chemical,Disease"], labels["Disease"]
    assert (both.names, one.names) == (("O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"), DISEASE)
    both_targets = both.targets.astype(int)
    assert both_targets[:, 1:3].max() > 50, "no chemical that could be added"
    np.testing.assert_allclose(one.targets[:, 0], both_targets[:, :3].sum(-1), atol=2)
    np.testing.assert_array_equal(one.targets[:, 1:], both.targets[:, 3:])


def test_several_teachers_are_averaged(trained, abstracts, tmp_path):
    other = AutoModelForTokenClassification.from_pretrained(trained[0])
    with torch.no_grad():
        other.classifier.weight.neg_()
    other.save_pretrained(tmp_path / "other")
    load_tokenizer(trained[0]).save_pretrained(tmp_path / "other")
    targets = []
    for teachers in (trained[0], str(tmp_path / "other"), f"{trained[0]},{tmp_path / 'other'}"):
        out = tmp_path / f"{len(targets)}.npz"
        assert soft_labels.main([*options((teachers,), abstracts, out)]) == 0
        targets.append(SoftLabels.load(out).targets.astype(int))
    assert np.abs(targets[0] - targets[1]).max() > 50
    np.testing.assert_allclose(targets[2], (targets[0] + targets[1]) / 2, atol=1)


def test_teachers_of_different_types_label_the_types_they_share(trained, abstracts, tmp_path, capsys):
    other = str(tmp_path / "other")
    new_teacher(trained[0], LabelSet(["Gene", "Disease", "Species"]), 0.1).save_pretrained(other)
    load_tokenizer(trained[0]).save_pretrained(other)
    targets = []
    for teachers in (trained[0], other, f"{trained[0]},{other}"):
        out = tmp_path / f"{len(targets)}.npz"
        assert soft_labels.main([*options((teachers,), abstracts, out), "--types", "Disease"]) == 0
        stored = SoftLabels.load(out)
        assert stored.names == DISEASE
        targets.append(stored.targets.astype(int))
    assert np.abs(targets[0] - targets[1]).max() > 20
    np.testing.assert_allclose(targets[2], (targets[0] + targets[1]) / 2, atol=1)
    # By default the types of the first teacher, of which the second lacks one.
    assert soft_labels.main(options((f"{trained[0]},{other}",), abstracts, tmp_path / "all.npz")) == 2
    assert "got ['Chemical']" in capsys.readouterr().err


def test_a_teacher_may_start_from_a_checkpoint_with_other_labels(trained, tmp_path):
    before = AutoModelForTokenClassification.from_pretrained(trained[0])
    after = new_teacher(trained[0], LabelSet.from_names(["O", "Gene"]), 0.1)
    assert after.classifier.weight.shape == (2, before.classifier.in_features)
    assert after.config.id2label == {0: "O", 1: "Gene"}
    torch.testing.assert_close(after.base_model.state_dict(), before.base_model.state_dict())
    before.config.intermediate_size += 8
    before.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="expected weights of the sizes"):
        new_teacher(str(tmp_path), LabelSet.from_names(["O", "Gene"]), 0.1)


def test_labelling_that_was_interrupted_continues(labelled, trained, sentences, tmp_path):
    whole, out = SoftLabels.load(labelled), tmp_path / "soft.npz"
    first = whole.counts[0]
    marked = np.full_like(whole.targets[:first], 51)
    replace(whole, targets=marked, counts=whole.counts[:1]).save(out)
    assert soft_labels.main(options(trained, sentences, out)) == 0
    resumed = SoftLabels.load(out)
    assert resumed.counts.tolist() == whole.counts.tolist()
    np.testing.assert_array_equal(resumed.targets[:first], marked)
    np.testing.assert_allclose(resumed.targets[first:].astype(int), whole.targets[first:], atol=1)


def test_a_student_learns_the_teachers_distributions(trained, labelled, sentences, corpus, dev, tokenizer, tmp_path):
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
        dev_corpus=str(dev),
        soft_labels=f"{labelled}={sentences},{labelled}={sentences}",
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
        run.train_epoch()
    run.save(run.model, tmp_path / "run")
    stored = SoftLabels.load(labelled)
    assert len(run.soft) == 2 * len(stored.examples(Texts.read(sentences), run.pieces))
    text = " ".join(Texts.read(sentences).words[0])
    learned = load_engine(tmp_path / "run").tag(text, "dense").probabilities
    taught = stored.targets[: len(learned)] / 255
    spread = np.abs(taught - taught.mean(0)).mean()
    assert np.abs(taught - learned).mean() < 0.6 * spread


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--teacher": "/no/such"}, "expected a Hugging Face token-classification model"),
        ({"--texts": "/no/such"}, "expected a readable file"),
        ({"--types": "Gene"}, "expected --types that"),
    ],
)
def test_wrong_input_for_soft_labels_ends_with_status_2(trained, sentences, tmp_path, capsys, change, message):
    given = options(trained, sentences, tmp_path / "soft.npz")
    settings = dict(zip(given[::2], given[1::2], strict=True)) | change
    assert soft_labels.main([part for pair in settings.items() for part in pair]) == 2
    assert message in capsys.readouterr().err


def test_soft_labels_of_other_texts_or_types_are_refused(labelled, trained, sentences, tmp_path, engine):
    other = tmp_path / "other.txt"
    other.write_text("nausea .\n")
    model = load_engine(trained[0])
    for texts, types in ((other, model.labels.types), (sentences, ["Disease"])):
        with pytest.raises(InputError, match="expected soft labels of the same texts and types"):
            soft_labels.label([model], Texts.read(texts), types, labelled)
    with pytest.raises(InputError, match="expected soft labels in"):
        SoftLabels.load(tmp_path / "none.npz")
    for pair, labels, message in (
        (f"{labelled}={other}", model.labels, "expected .*other.txt to be the file that"),
        (f"{labelled}={sentences}", LabelSet(["Disease"]), "make them with --types Disease"),
        (str(labelled), model.labels, "expected soft labels as LABELS=TEXTS"),
    ):
        with pytest.raises(InputError, match=message):
            soft_examples(pair, engine.pieces, labels)


def test_soft_labels_of_another_teacher_are_not_continued(labelled, trained, sentences, tmp_path, capsys):
    other = AutoModelForTokenClassification.from_pretrained(trained[0])
    with torch.no_grad():
        other.classifier.weight.neg_()
    other.save_pretrained(tmp_path / "other")
    load_tokenizer(trained[0]).save_pretrained(tmp_path / "other")
    before = labelled.read_bytes()
    assert soft_labels.main(options((str(tmp_path / "other"),), sentences, labelled)) == 2
    assert "types by the same teachers in" in capsys.readouterr().err
    assert labelled.read_bytes() == before


def test_soft_labels_of_an_earlier_version_are_learned_from_but_not_continued(
    labelled, trained, sentences, tmp_path, engine, capsys
):
    whole, old = SoftLabels.load(labelled), tmp_path / "old.npz"
    np.savez_compressed(old, targets=whole.targets, counts=whole.counts, names=whole.names, sha256=whole.sha256)
    assert soft_examples(f"{old}={sentences}", engine.pieces, load_engine(trained[0]).labels)
    assert soft_labels.main(options(trained, sentences, old)) == 2
    assert "expected soft labels of the same texts and types by the same teachers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:100] + b"\xff" * 100 + whole[200:],
        lambda whole: whole.replace(b"sha256", b"sha257"),
        lambda whole: npy(),
        lambda whole: b"",
    ],
)
def test_damaged_soft_labels_are_named(damage, labelled, tmp_path):
    path = tmp_path / "soft.npz"
    path.write_bytes(damage(labelled.read_bytes()))
    with pytest.raises(
        InputError, match=r"expected soft labels in .*soft\.npz, got none: .*; make them with python -m"
    ):
        SoftLabels.load(path)


def npy() -> bytes:
    """A file of a single array."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def test_labels_in_another_order_are_put_in_the_students(labelled, sentences, engine):
    stored = SoftLabels.load(labelled)
    turned = LabelSet(("Disease", "Chemical"))
    assert turned.names != stored.names
    here, there = (
        np.concatenate([one.targets for one in soft_examples(f"{labelled}={sentences}", engine.pieces, labels)])
        for labels in (LabelSet(("Chemical", "Disease")), turned)
    )
    np.testing.assert_array_equal(there[:, turned.names.index("B-Chemical")], here[:, stored.names.index("B-Chemical")])
    np.testing.assert_array_equal(there, here[:, [0, 3, 4, 1, 2]])


def test_labels_of_another_scheme_need_another_teacher(labelled, sentences, engine):
    labels = LabelSet.from_names(["O", "Chemical", "Disease"])
    with pytest.raises(InputError, match=r"expected labels .*; choose a teacher with these labels"):
        soft_examples(f"{labelled}={sentences}", engine.pieces, labels)


@pytest.mark.parametrize(("takes", "texts_between"), [(0, 60), (20, 200)])
def test_labels_are_saved_once_a_minute_or_rarer_where_that_takes_long(takes, texts_between, tmp_path, monkeypatch):
    clock, saved = [0.0], []
    monkeypatch.setattr(soft_labels, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def save(labels, path):
        saved.append(len(labels.counts))
        clock[0] += takes

    def distributions(done):
        for _ in range(900):
            clock[0] += 1
            yield np.array([[1.0, 0.0]])

    monkeypatch.setattr(SoftLabels, "save", save)
    texts = Texts([["nausea"]] * 900, "sum")
    labels = soft_labels.store_labels(distributions, texts, 900, ("O", "Disease"), "", tmp_path / "soft.npz")
    assert saved == [*range(60, 900, texts_between), 900]
    assert labels.targets.tolist() == [[255, 0]] * 900


def test_the_teachers_command_refuses_an_unusable_backbone(corpus, dev, tmp_path, capsys):
    options = ["--backbone", "/no/such", "--corpus", str(corpus), "--dev-corpus", str(dev)]
    assert teacher.main([*options, "--out", str(tmp_path / "run")]) == 2
    assert "expected a Hugging Face encoder" in capsys.readouterr().err
