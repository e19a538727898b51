"""Training on several corpora: each teaches the types that it annotates and nothing about the others."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import BertModel

from engine import Document, Entity, load_engine
from engine.data.corpora import Corpus
from engine.training.data import spread_outside
from engine.training.finetune import FinetuneConfig, Finetuning
from engine.training.teacher import TeacherConfig, TeacherTraining
from tests.conftest import tiny_config

TEXT = "famotidine caused nausea"
ENTITIES = {"Chemical": Entity(0, 10, "Chemical", "famotidine"), "Disease": Entity(18, 24, "Disease", "nausea")}
CHEMICAL, DISEASE = 1, 3  # labels B-Chemical and B-Disease


@pytest.fixture(scope="module")
def backbone(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(0)
    BertModel(tiny_config(len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def asked(monkeypatch):
    """Corpora that hold the same text, fewer times in ``calib``: two annotate one type, ``both`` two."""
    asked = []

    def load(name, split, data_dir):
        asked.append((name, split, data_dir))
        types = {"chemical": ("Chemical",), "disease": ("Disease",)}.get(name, ("Chemical", "Disease"))
        entities = tuple(ENTITIES[type_] for type_ in types)
        documents = [Document(str(number), TEXT, entities) for number in range(4 if split == "calib" else 8)]
        return Corpus(name, split, types, documents)

    for module in ("loop", "data"):
        monkeypatch.setattr(f"engine.training.{module}.load_corpus", load)
    return asked


@pytest.mark.parametrize(("stage", "settings"), [(TeacherTraining, TeacherConfig), (Finetuning, FinetuneConfig)])
def test_no_corpus_unlearns_what_another_teaches(stage, settings, backbone, asked, tmp_path):
    run = stage(
        settings(
            backbone=str(backbone),
            out=str(tmp_path),
            corpus="chemical,disease",
            dev_corpus="both",
            lr=0.01,
            epochs=20,
            max_rows=40,
            dropout=0.0,
            mixed_precision="no",
        )
    )
    for run.epoch in range(1, 21):
        run.train_epoch()
    run.save(run.model, tmp_path / "model")
    found = load_engine(tmp_path / "model").tag(TEXT, "dense").probabilities
    # Half of the documents label each entity O.
    assert found[0, CHEMICAL] > 0.8
    assert found[2, DISEASE] > 0.8


@pytest.mark.parametrize(("dev", "dropped"), [("both", ""), ("chemical", "Disease")])
def test_types_that_early_stopping_does_not_know_are_named_before_they_are_learned_as_outside(
    dev, dropped, backbone, asked, tmp_path, caplog
):
    run = Finetuning(FinetuneConfig(backbone=str(backbone), out=str(tmp_path), corpus="both", dev_corpus=dev))
    assert ("Disease" in run.labels.types) == (not dropped)
    message = f"learned as outside: {dropped}; {dev} calib, the corpus for early stopping, has no such entities"
    assert (message in caplog.text) == bool(dropped)
    assert ("learned as outside" in caplog.text) == bool(dropped)


def test_training_on_targets_of_unannotated_types_maximises_the_marginal_likelihood():
    torch.manual_seed(0)
    logits = torch.randn(3, 5, requires_grad=True)
    targets = torch.eye(5)[[0, 0, 3]]
    outside = torch.tensor([[True, True, True, False, False], [True] + [False] * 4, [True, True, True, False, False]])
    (found,) = torch.autograd.grad(cross_entropy(logits, spread_outside(targets, logits, outside)), logits)
    of_label = logits.softmax(-1)
    likelihoods = torch.stack([of_label[0, :3].sum(), of_label[1, 0], of_label[2, 3]])
    (expected,) = torch.autograd.grad(-likelihoods.log().mean(), logits)
    torch.testing.assert_close(found, expected)


def test_a_corpus_may_name_its_split(asked):
    corpus = "bc5cdr,ncbi-disease:train,hf:owner/name,hf:owner/name:dev"
    FinetuneConfig(backbone="b", out="o", corpus=corpus).corpora()
    assert asked == [
        ("bc5cdr", "fit", None),
        ("ncbi-disease", "train", None),
        ("hf:owner/name", "fit", None),
        ("hf:owner/name", "dev", None),
        ("bc5cdr", "calib", None),
    ]
