import sys

import pytest

from engine.checkpoint import load_weights
from engine.errors import InputError
from engine.tagger import Engine
from eval.measure.baselines import load_baselines
from tests.conftest import TEXT

TEXTS = [
    TEXT,
    "",
    "Nausea after famotidine (20 mg) and hypotension.",
    " ".join([TEXT] * 6),  # several windows
    "Naïve α-agonist\tand\ndelirium.",
]
PACKAGES = {"hf-pipeline": [], "onnx": ["onnx", "onnxruntime"]}
PACKAGES["onnx-int8"] = PACKAGES["onnx"]


def baselines(engine, *names):
    for package in {package for name in names for package in PACKAGES[name]}:
        pytest.importorskip(package)
    return load_baselines(engine, names)


@pytest.fixture(scope="module")
def plain_engine(plain_folder):
    """Labels of this checkpoint stand in another order than ours."""
    return Engine(load_weights(plain_folder))


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.parametrize("name", ["hf-pipeline", "onnx"])
def test_a_baseline_finds_the_entities_of_dense_in_texts_of_any_length(name, limit, plain_engine):
    (baseline,) = baselines(plain_engine, name)
    baseline = baseline.at({len(TEXTS): baseline.limits[limit]})
    found, latency = baseline.tag(TEXTS)
    for text, entities in zip(TEXTS, found, strict=True):
        dense = plain_engine.tag(text, "dense").entities
        assert [entity.key for entity in entities] == [entity.key for entity in dense]
        assert [entity.score for entity in entities] == pytest.approx([entity.score for entity in dense], abs=1e-4)
    assert sum(map(len, found)) > 20
    assert latency.texts == len(TEXTS)
    assert 0 < latency.encoder_ms < latency.total_ms
    assert baseline.tag([])[0] == baseline.tag([""])[0][1:] == []


def test_int8_finds_nearly_the_entities_of_dense(engine):
    (baseline,) = baselines(engine, "onnx-int8")
    found = {(number, entity.key) for number, of in enumerate(baseline.tag(TEXTS)[0]) for entity in of}
    dense = {(n, entity.key) for n, text in enumerate(TEXTS) for entity in engine.tag(text, "dense").entities}
    assert len(found & dense) > 0.8 * max(len(found), len(dense)) > 0
    assert "int8" in baseline.settings["dtype"]


def test_a_lone_surrogate_does_not_stop_a_baseline(engine):
    (baseline,) = baselines(engine, "hf-pipeline")
    ((*_, last),), _ = baseline.tag(["\ud800 " + TEXT])
    assert last.end == len(TEXT) + 2


def test_unknown_baselines_and_missing_packages_are_clear_errors(engine, monkeypatch):
    with pytest.raises(InputError, match="expected baselines out of"):
        load_baselines(engine, ["spacy"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime for baseline onnx, got none; pip install -r requirements-eval"):
        load_baselines(engine, ["onnx"])
