"""Baselines find what dense finds, since they run the same weights on the same windows with the same decoding."""

import shutil
import sys

import pytest
import torch

from engine.cli.progress import Progress
from engine.errors import InputError
from engine.formats.corpora import load_corpus
from engine.tagger import load_engine
from eval.measure.baselines import load_baselines
from eval.options import SAMPLE
from eval.train_spacy import main as train_spacy
from tests.conftest import TEXT, configure, needs_vnni

NAMES = ["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]
TEXTS = [
    TEXT,
    "",
    "Nausea after famotidine (20 mg) and hypotension.",
    " ".join([TEXT] * 6),  # several windows
    "Naïve α-agonist\tand\ndelirium.",
]
PACKAGES = {"hf-pipeline": [], "onnx": [], "openvino": ["openvino", "nncf"], "spacy": ["spacy"]}


def baseline(engine, wanted):
    """One baseline, calibrated on the sample corpus."""
    for package in PACKAGES[wanted.partition("=")[0].removesuffix("-int8").removesuffix("-float32")]:
        pytest.importorskip(package)
    documents = load_corpus(str(SAMPLE)).documents
    (found,) = load_baselines(engine, [wanted], [document.text for document in documents], Progress())
    return found


@pytest.mark.parametrize("threads", [2], indirect=True)
@pytest.mark.parametrize("name", ["hf-pipeline", "onnx-float32"])
def test_it_finds_the_entities_of_dense_in_any_text_under_given_labels(name, threads, plain_folder, tmp_path):
    folder = shutil.copytree(plain_folder, tmp_path / "model")
    numbers = {str(index): f"LABEL_{index}" for index in range(5)}
    configure(folder, id2label=numbers, label2id={name: int(index) for index, name in numbers.items()})
    unnamed = load_engine(folder, labels=NAMES)
    found_dense = [unnamed.tag(text, "dense").entities for text in TEXTS]
    loaded = baseline(unnamed, name)
    for parameters in (loaded.candidates[0], loaded.candidates[-1]):
        found, milliseconds = loaded.tag(TEXTS, parameters)
        assert torch.get_num_threads() == threads, "it leaves the threads of others alone"
        for entities, dense in zip(found, found_dense, strict=True):
            assert [entity.key for entity in entities] == [entity.key for entity in dense]
            assert [entity.score for entity in entities] == pytest.approx([entity.score for entity in dense], abs=1e-4)
        assert sum(map(len, found)) > 20
        assert milliseconds > 0
        assert loaded.tag([], parameters)[0] == loaded.tag([""], parameters)[0][1:] == []
        loaded.release()
    assert loaded.dtype == "float32"


@pytest.mark.parametrize("name", ["onnx-int8", pytest.param("openvino-int8", marks=needs_vnni)])
def test_int8_finds_nearly_the_entities_of_dense(name, engine):
    loaded = baseline(engine, name)
    found = {(number, entity.key) for number, of in enumerate(loaded.tag(TEXTS)[0]) for entity in of}
    dense = {(n, entity.key) for n, text in enumerate(TEXTS) for entity in engine.tag(text, "dense").entities}
    assert len(found & dense) > 0.6 * max(len(found), len(dense)) > 0
    assert loaded.dtype == "int8"


def test_a_lone_surrogate_does_not_stop_a_baseline(engine):
    ((*_, last),), _ = baseline(engine, "hf-pipeline").tag(["\ud800 " + TEXT])
    assert last.end == len(TEXT) + 2


@pytest.mark.slow
def test_a_trained_spacy_is_a_baseline_with_words_of_its_own(engine, tmp_path, capsys):
    pytest.importorskip("spacy")
    folder = tmp_path / "model"
    options = ["--corpus", str(SAMPLE), "--split", "test", "--out", str(folder)]
    assert train_spacy([*options, "--development", "test", "--limit", "1", "--patience", "200"]) == 0
    loaded = baseline(engine, f"spacy={folder}")
    document = load_corpus(str(SAMPLE), limit=1).documents[0]
    ((*found,), surrogate), _ = loaded.tag([document.text, "\ud800 " + document.text])
    assert all(document.text[entity.start : entity.end] == entity.text for entity in found)
    assert {entity.key for entity in found} & {entity.key for entity in document.entities}, "it learned these by heart"
    assert len(surrogate) > 0
    assert not list(folder.glob("*.spacy")), "no text of the corpus stays"
    assert train_spacy(options) == 2
    assert "expected a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(("wanted", "message"), [
    ("stanza", "stanza"),
    ("onnx-int8=truncate-1", "expected = only after"),
    ("spacy", "train one with python -m eval.train_spacy --out FOLDER"),
    ("spacy=/no/such", "train one with python -m eval.train_spacy --out FOLDER"),
])  # fmt: skip
def test_what_cannot_be_loaded_is_refused(engine, wanted, message):
    for package in PACKAGES.get(wanted.partition("=")[0], []):
        pytest.importorskip(package)
    with pytest.raises(InputError, match=message):
        load_baselines(engine, [wanted], (), Progress())


def test_a_missing_package_is_named(engine, monkeypatch):
    for name, package in {"openvino-int8": "openvino", "spacy": "spacy"}.items():
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf'package {package}, got none; pip install "bioner-.*\[baselines\]"'):
            load_baselines(engine, [name], (), Progress())
