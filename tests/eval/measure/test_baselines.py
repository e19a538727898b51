"""Baselines on another runtime find what dense finds: they have its weights, words, windows and decoding."""

import shutil
import sys

import pytest
import torch

from engine.corpora import load_corpus
from engine.errors import InputError
from engine.loading import load_engine
from engine.pytorch.checkpoint import save_weights
from eval.config import SAMPLE, VariantName
from eval.measure.baselines import load_baselines
from eval.measure.baselines.base import Logits
from tests.conftest import TEXT, configure, needs_vnni
from tests.engine.pytorch.families import gated, huggingface, tiny, tokenizer_of

NAMES = ["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]
TEXTS = [
    TEXT,
    "",
    "Nausea after famotidine (20 mg) and hypotension.",
    " ".join([TEXT] * 6),  # several windows
    "Naïve α-agonist\tand\ndelirium.",
]
PACKAGES = {"hf-pipeline": [], "onnx": [], "openvino": ["openvino", "nncf"], "spacy": ["spacy"]}


def found_by(tagger, texts=TEXTS):
    """What it finds in each text."""
    return [prediction.entities for prediction in tagger.tag(texts)[0]]


def keys(found):
    return {(number, entity.key) for number, entities in enumerate(found) for entity in entities}


def baseline(engine, wanted):
    """One baseline, calibrated on the sample corpus."""
    name = VariantName.of_baseline(wanted)
    for package in PACKAGES[name.runtime.removesuffix("-int8").removesuffix("-float32")]:
        pytest.importorskip(package)
    texts = [document.text for document in load_corpus(str(SAMPLE)).documents]
    (found,) = load_baselines(engine, [name], texts)
    return found


@pytest.fixture
def unnamed(plain_folder, tmp_path):
    """A checkpoint whose labels are numbers, and what they mean."""
    folder = shutil.copytree(plain_folder, tmp_path / "model")
    numbers = {str(index): f"LABEL_{index}" for index in range(5)}
    configure(folder, id2label=numbers, label2id={name: int(index) for index, name in numbers.items()})
    return load_engine(folder, "float32", labels=NAMES)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_it_finds_the_entities_of_dense_in_any_text_under_given_labels(threads, unnamed):
    found_dense = [unnamed.tag(text, "dense").entities for text in TEXTS]
    loaded = baseline(unnamed, "onnx-float32")
    for parameters in (loaded.candidates[0], loaded.candidates[-1]):
        loaded.chosen = {len(TEXTS): parameters}
        found = found_by(loaded)
        assert torch.get_num_threads() == threads, "it leaves the threads of others alone"
        for entities, dense in zip(found, found_dense, strict=True):
            assert [entity.key for entity in entities] == [entity.key for entity in dense]
            assert [entity.score for entity in entities] == pytest.approx([entity.score for entity in dense], abs=1e-4)
        assert sum(map(len, found)) > 20
        assert found_by(loaded, []) == []
        loaded.release()
    assert loaded.variant.dtype == "float32"


@pytest.mark.parametrize("cut", ["", "=truncate-1"])
@pytest.mark.parametrize("name", ["onnx-int8", pytest.param("openvino-int8", marks=needs_vnni)])
def test_int8_finds_nearly_the_entities_of_the_whole_network_or_of_its_first_layers(name, cut, engine):
    loaded = baseline(engine, name + cut)
    found = keys(found_by(loaded))
    exact = keys(result.entities for result in engine.tag_batch(TEXTS, cut[1:] or "dense"))
    assert len(found & exact) > 0.6 * max(len(found), len(exact)) > 0
    assert loaded.variant.dtype == "int8"


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert", "deberta-v2"])
def test_a_network_that_is_cut_says_what_truncation_says(family, layers, tmp_path):
    tokenizer = tokenizer_of(family)
    save_weights(tmp_path, gated(huggingface(tiny(family, len(tokenizer)))), tokenizer)
    configure(tmp_path, id2label=dict(enumerate(NAMES)), label2id={name: index for index, name in enumerate(NAMES)})
    engine = load_engine(tmp_path, "float32")
    network = Logits(engine.folder, layers)
    ((window,),) = engine.pieces.of_texts([TEXTS[2]])[1]
    ids = torch.from_numpy(window.input_ids)[None]
    with torch.no_grad():
        logits = network(ids, torch.ones_like(ids))[0, window.first_rows]
    found = logits[:, list(engine.folder.label_order)].softmax(-1).numpy()
    assert found == pytest.approx(engine.tag(TEXTS[2], f"truncate-{layers}").probabilities, abs=1e-4)


def test_the_pipeline_gets_texts_and_reads_long_ones_to_their_end(unnamed):
    """As its users call it: words, groups and windows are its own; only where a text has one window they are ours."""
    loaded = baseline(unnamed, "hf-pipeline")
    for parameters in loaded.candidates:
        loaded.chosen = {len(TEXTS): parameters}
        found = found_by(loaded)
        for number in (0, 1, 2):
            dense = unnamed.tag(TEXTS[number], "dense").entities
            assert [entity.key for entity in found[number]] == [entity.key for entity in dense]
        assert found[3][-1].end > 0.95 * len(TEXTS[3])
        assert all(entity.text == TEXTS[3][entity.start : entity.end].strip() for entity in found[3])
    assert found_by(loaded, []) == []


def test_the_pipeline_joins_the_words_of_an_entity_under_any_scheme(plain_folder, tmp_path):
    folder = shutil.copytree(plain_folder, tmp_path / "model")
    names = ["B-Disease", "I-Disease", "O", "E-Disease", "S-Disease"]
    configure(folder, id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)})
    (found,) = found_by(baseline(load_engine(folder), "hf-pipeline"), [TEXT])
    assert {entity.type for entity in found} == {"Disease"}


def test_a_lone_surrogate_does_not_stop_a_baseline(engine):
    ((*_, last),) = found_by(baseline(engine, "hf-pipeline"), ["\ud800 " + TEXT])
    assert last.end == len(TEXT) + 2


def test_a_model_of_spacy_is_a_baseline_with_words_of_its_own(engine, tmp_path):
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.initialize()
    nlp.add_pipe("entity_ruler", before="ner").add_patterns([{"label": "Chemical", "pattern": "aspirin"}])
    nlp.to_disk(tmp_path / "model-best")
    text = "Nausea after aspirin ."
    found, surrogate = found_by(baseline(engine, f"spacy={tmp_path}"), [text, "\ud800 " + text])
    assert "aspirin" in {entity.text for entity in found}
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
    assert len(surrogate) > 0


@pytest.mark.parametrize(("wanted", "message"), [
    ("stanza", "stanza"),
    ("hf-pipeline=truncate-1", "can be cut, by =truncate-K"),
    ("onnx-int8=dense", "can be cut, by =truncate-K"),
    ("onnx-int8=truncate-3", "truncate-3 .* 1 to 2"),
    ("spacy", "how to train one"),
    ("spacy=/no/such", "how to train one"),
])  # fmt: skip
def test_what_cannot_be_loaded_is_refused(engine, wanted, message):
    for package in PACKAGES.get(wanted.partition("=")[0], []):
        pytest.importorskip(package)
    with pytest.raises(InputError, match=message):
        load_baselines(engine, [VariantName.of_baseline(wanted)], ())


def test_a_missing_package_is_named(engine, monkeypatch):
    for name, package in {"openvino-int8": "openvino", "spacy": "spacy"}.items():
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf'package {package} is missing.* pip install "\.\[baselines\]"'):
            load_baselines(engine, [VariantName.of_baseline(name)], ())
