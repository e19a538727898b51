"""Fine-tuning on gold of one or several corpora, its checkpoints, and its command line."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, BertModel

from engine import Document, Entity, InputError, load_engine
from engine.corpora import Corpus
from engine.models.tokenizer import load_tokenizer
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.training import trainer
from engine.training.corpora import TrainingCorpus, parse_corpora
from engine.training.examples import Pool, gold_examples
from engine.training.finetune import FinetuneConfig, finetune, main
from engine.training.heads import load_trainable
from engine.training.options import read_backbone
from engine.training.trainer import Trainer
from tests.conftest import contents, tiny_config, write_vocabulary
from tests.engine.training.corpora import write_pubtator

ABSTRACT = "Chemical caused nausea . Nausea after Chemical ."
SPANS = [(0, 8, "Chemical"), (16, 22, "Disease"), (25, 31, "Disease"), (38, 46, "Chemical")]


@pytest.fixture(scope="module")
def biobert_like(tmp_path_factory):
    """A cased encoder with BioBERT's file layout: configuration, ``vocab.txt``, weights; no tokenizer settings."""
    folder = tmp_path_factory.mktemp("biobert")
    write_vocabulary(folder, cased=True, config=False)
    config = tiny_config(len((folder / "vocab.txt").read_text().split()))
    config.initializer_range = 0.1
    torch.manual_seed(0)
    model = BertModel(config)
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with training documents and documents for early stopping."""
    folder = tmp_path_factory.mktemp("corpus")
    write_pubtator(folder / "train.txt", ABSTRACT, SPANS, 8)
    write_pubtator(folder / "dev.txt", ABSTRACT, SPANS, 4)
    return folder


def config(backbone, corpus, out, **changes) -> FinetuneConfig:
    settings = {"epochs": 12, "lr": 0.01, "max_rows": 60, "average": 0.5, "dropout": 0.0}
    settings |= {"corpus": [str(corpus / "train.txt")], "dev_corpus": [str(corpus / "dev.txt")]}
    return FinetuneConfig(backbone=str(backbone), out=str(out), **settings | changes)


def logged(folder, name):
    return [json.loads(line)[name] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finetuned(biobert_like, corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, finetune(config(biobert_like, corpus, out))


def test_a_full_disk_is_one_sentence(biobert_like, corpus, tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"Cannot write .*checkpoint.* disk space"):
        finetune(config(biobert_like, corpus, tmp_path / "run", epochs=1))


def test_a_cased_encoder_learns_and_chemical_keeps_its_capital(finetuned, biobert_like):
    out, f1 = finetuned
    assert f1 > 0.9
    engine = load_engine(out)
    ids, _ = engine.pieces.pieces(["Chemical"])
    assert [engine.pieces._backend.id_to_token(piece) for piece in ids] == ["Chem", "##ical"]
    assert [e.text for e in engine.tag(ABSTRACT, "dense").entities] == ["Chemical", "nausea", "Nausea", "Chemical"]
    assert len(engine.tag(ABSTRACT, "truncate-2").entities) == 4, "gates learn, too"
    assert json.loads((out / "training.json").read_text())["backbone"] == str(biobert_like)


def test_a_run_that_was_cut_goes_on_and_ends_like_any_other(
    biobert_like, corpus, tmp_path, finetuned, monkeypatch, caplog
):
    def cut(run, loss):
        evaluate(run, loss)
        if run.epoch == 2:
            raise KeyboardInterrupt

    settings, evaluate = config(biobert_like, corpus, tmp_path / "cut"), Trainer.evaluate
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", cut)
        with pytest.raises(KeyboardInterrupt):
            finetune(settings)
    caplog.set_level("INFO", "engine.training")
    assert finetune(settings, resume=True) == finetuned[1]
    assert "Continue after step" in caplog.text
    assert logged(tmp_path / "cut", "loss") == pytest.approx(logged(finetuned[0], "loss"), abs=1e-3)
    for name in ("model.safetensors", "gates.safetensors"):  # the averaged weights, on which no loss depends
        resumed, whole = (load_file(folder / name) for folder in (tmp_path / "cut", finetuned[0]))
        for key, value in resumed.items():
            torch.testing.assert_close(value, whole[key], atol=5e-3, rtol=0)


def trainer_of(settings: FinetuneConfig, **options) -> Trainer:
    """A run on the gold of its corpora that has not begun."""
    corpora, dev = settings.corpora()
    trainable = load_trainable(read_backbone(settings.backbone, LabelSet(dev.types)))
    gold = [Pool(gold_examples(corpus, trainable.pieces, trainable.model.labels)) for corpus in corpora]
    return Trainer(settings, trainable, gold=gold, work=Path(settings.out), **options)


@pytest.mark.parametrize("faster", [0.0, math.inf])
def test_bfloat16_is_used_where_it_is_faster(faster, biobert_like, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "BFLOAT16_TIME", faster)
    run = trainer_of(config(biobert_like, corpus, tmp_path, mask=0.0))
    run.choose_dtype()
    assert run.bfloat16 == (faster > 0)
    losses = {}
    for run.bfloat16 in (False, True):
        losses[run.bfloat16] = run.backward(run.gold[0].examples).item()
    assert losses[False] != losses[True] == pytest.approx(losses[False], rel=0.05)


def test_a_run_continues_only_with_its_settings_documents_and_checkpoint(biobert_like, corpus, tmp_path):
    changing, out = shutil.copytree(corpus, tmp_path / "corpus"), tmp_path / "run"
    settings = config(biobert_like, changing, out, epochs=1)
    finetune(settings)
    finetune(settings, resume=True)
    with pytest.raises(InputError, match=r"with lr 0.01, not lr 0.5"):
        finetune(replace(settings, lr=0.5), resume=True)
    write_pubtator(changing / "train.txt", ABSTRACT, SPANS[:3], 8)
    with pytest.raises(InputError, match="documents"):
        finetune(settings, resume=True)
    write_pubtator(changing / "train.txt", ABSTRACT, SPANS, 8)
    state = torch.load(out / "checkpoint.pt")
    torch.save({name: value for name, value in state.items() if name != "best_table"}, out / "checkpoint.pt")
    with pytest.raises(InputError, match=r"of another version, without .*best_table"):
        finetune(settings, resume=True)
    (out / "checkpoint.pt").unlink()
    before = contents(out)
    with pytest.raises(InputError, match="no checkpoint"):
        finetune(settings, resume=True)
    assert contents(out) == before


def test_a_run_has_as_many_epochs_as_asked_though_they_differ_in_length(biobert_like, corpus, tmp_path):
    short, long = "a b c .", "Chemical caused nausea in a patient . " * 6
    (tmp_path / "mixed.jsonl").write_text(
        "".join(f'{{"id": "{i}", "text": "{(short, long)[i % 2]}"}}\n' for i in range(40))
    )
    mixed = (f"{tmp_path}/mixed.jsonl", "per-epoch=4")
    settings = replace(config(biobert_like, corpus, tmp_path / "run", epochs=5, lr=1e-4), max_rows=45, seed=3)
    settings = replace(settings, corpus=(*settings.corpus, *mixed))
    finetune(settings)
    assert logged(tmp_path / "run", "epoch") == [1, 2, 3, 4, 5]


def test_early_stopping_ends_a_run_that_does_not_improve(biobert_like, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "PATIENCE", 2)
    finetune(config(biobert_like, corpus, tmp_path / "run", lr=0.0))
    assert len(logged(tmp_path / "run", "epoch")) == 3


def test_words_are_masked_only_where_there_is_a_token_for_it(plain_folder, corpus, tmp_path):
    backbone = shutil.copytree(plain_folder, tmp_path / "no mask")
    tokenizer = load_tokenizer(backbone)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(backbone)
    with pytest.raises(InputError, match="Add --mask 0"):
        finetune(config(backbone, corpus, tmp_path / "run", epochs=1))
    finetune(config(backbone, corpus, tmp_path / "run", epochs=1, mask=0.0))


def test_self_sampling_trains_a_model_folder_on_while_it_is_pruned(finetuned, corpus, tmp_path):
    assert finetune(config(finetuned[0], corpus, tmp_path / "run", pruned=0.8, epochs=2, lr=0.001)) > 0.9
    assert load_engine(tmp_path / "run").tag(ABSTRACT, "entropy").entities


@pytest.mark.parametrize("from_gates", [False, True])
def test_a_plain_model_of_fewer_layers_is_a_checkpoint(from_gates, biobert_like, finetuned, corpus, tmp_path):
    options = f"--backbone {finetuned[0] if from_gates else biobert_like} --corpus {corpus}/train.txt"
    options += f" --dev-corpus {corpus}/dev.txt --out {tmp_path}/run --epochs 12 --lr 0.01 --max-rows 60 --average 0.5"
    assert main([*options.split(), "--dropout", "0", "--plain", "--layers", "2"]) == 0
    engine = load_engine(tmp_path / "run")
    assert (engine.has_gates, engine.sizes.layers, len(engine.labels.names)) == (False, 2, 5)
    assert engine.tag("Chemical caused nausea", "dense").entities[0].type == "Chemical"
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "run").config
    assert (plain.num_labels, plain.num_hidden_layers) == (5, 2)


@pytest.fixture
def asked(monkeypatch):
    """Corpora with the same text, fewer times where runs stop: two annotate one type, ``both`` two; records calls."""
    asked = []
    entities = {"Chemical": Entity(0, 8, "Chemical", "Chemical"), "Disease": Entity(16, 22, "Disease", "nausea")}

    def load(name, split, data_dir):
        asked.append((name, split, data_dir))
        types = {"chemical": ("Chemical",), "disease": ("Disease",)}.get(name, ("Chemical", "Disease"))
        mentions = tuple(entities[type_] for type_ in types)
        count = 4 if split in ("calib", "dev") else 8
        documents = [Document(str(number), ABSTRACT[:22], mentions) for number in range(count)]
        return Corpus(name, split, types, documents)

    monkeypatch.setattr("engine.training.corpora.load_corpus", load)
    return asked


def test_no_corpus_unlearns_what_another_teaches(biobert_like, asked, tmp_path):
    given = {"backbone": str(biobert_like), "out": str(tmp_path), "dev_corpus": ["both"], "dropout": 0.0}
    trainer_of(FinetuneConfig(**given, corpus=["chemical", "disease"], lr=0.01, epochs=20, max_rows=40)).fit()
    engine = load_engine(tmp_path)
    probabilities = engine.tag(ABSTRACT[:22], "dense").probabilities
    # Half of the documents label each entity O.
    assert probabilities[0, engine.labels.names.index("B-Chemical")] > 0.8
    assert probabilities[2, engine.labels.names.index("B-Disease")] > 0.8


def test_a_run_ends_with_f1_by_type_of_its_best_epoch(biobert_like, asked, tmp_path, capsys, monkeypatch):
    """Also when it is resumed after its end; each epoch is scored once."""
    scores = iter([{"Chemical": Counts(correct, 4, 4), "Disease": Counts(0, 0, 8)} for correct in (1, 3, 2)])
    monkeypatch.setattr("engine.training.finetune.counts_on_gold", lambda *_: next(scores))
    settings = FinetuneConfig(backbone=str(biobert_like), out=str(tmp_path), corpus=["both"], epochs=3)
    for resume in (False, True):
        finetune(settings, resume=resume)
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "F1 by type on both dev:"
        assert [line.split(" | ")[:2] for line in lines[4:6]] == [["| Disease", "0.0000"], ["| Chemical", "0.7500"]]


def test_every_type_that_counts_has_a_corpus_that_teaches_it_unless_a_teacher_does(asked):
    given = {"backbone": "b", "out": "o", "corpus": ["chemical"], "dev_corpus": ["both"]}
    with pytest.raises(InputError, match="No training corpus annotates Disease, which both dev has"):
        FinetuneConfig(**given).corpora()
    FinetuneConfig(**given, teacher="t").corpora()


def test_a_corpus_may_be_a_file_whose_name_has_a_colon_or_a_comma(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a,b:1.txt").touch()
    corpora = parse_corpora(["a,b:1.txt", "types=Gene", "bc5cdr:train,x"])
    assert corpora == [
        TrainingCorpus("a,b:1.txt", types=("Gene",)),
        TrainingCorpus("bc5cdr", "train"),
        TrainingCorpus("x"),
    ]


@pytest.mark.parametrize(("dev", "dropped"), [("both", False), ("chemical", True)])
def test_types_that_early_stopping_lacks_are_named_as_outside(dev, dropped, biobert_like, asked, tmp_path, caplog):
    caplog.set_level("INFO", "engine.training")
    finetune(FinetuneConfig(backbone=str(biobert_like), out=str(tmp_path), corpus=["both"], dev_corpus=[dev], epochs=1))
    assert ("Disease" in load_engine(tmp_path).labels.types) != dropped
    assert ("Learned as outside: Disease" in caplog.text) == dropped


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("bc5cdr", "fit"), ("bc5cdr", "calib")]),
        ({"corpus": ["biored"]}, [("biored", "fit"), ("biored", "dev")]),
        ({"corpus": ["chemical:train"], "dev_corpus": ["chemical:dev"]}, [("chemical", "train"), ("chemical", "dev")]),
    ],
)
def test_a_corpus_may_name_its_split(asked, given, expected):
    FinetuneConfig(backbone="b", out="o", **given).corpora()
    assert asked == [(*named, None) for named in expected]


def test_the_command_line_names_corpora_with_what_they_teach_and_how_much(biobert_like, asked, tmp_path, monkeypatch):
    pools, fit = [], Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda run: (pools.extend(run.gold), fit(run)))
    options = f"--backbone {biobert_like} --out {tmp_path}/run --corpus chemical both types=Disease --corpus both:all "
    assert main([*options.split(), "per-epoch=3", "--dev-corpus", "both", "--epochs", "1"]) == 0
    assert [pool.most for pool in pools] == [None, None, 3]
    taught = [{int(label) for example in pool.examples for label in example.targets.argmax(1)} for pool in pools]
    assert taught == [{0, 1}, {0, 3}, {0, 1, 3}]
    unknown = pools[1].examples[0].outside
    assert unknown.tolist() == [True, True, True, False, False], "O may be a chemical there"
