"""Layers in 8 bits: stored beside the weights, calibrated on the rows that layers see, run by OpenVINO."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from engine import Engine, load_engine
from engine.training import quantise
from tests.conftest import SAMPLE, TEXT, needs_vnni


@pytest.fixture(scope="module")
def quantised(tmp_path_factory, model_folder):
    """The tiny model with its layers in 8 bits."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    folder = shutil.copytree(model_folder, tmp_path_factory.mktemp("quantised") / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantise, "TEXTS", 4)
        assert quantise.main([str(folder), "--texts", str(SAMPLE)]) == 0
    return load_engine(folder, "int8")


def test_calibration_sees_the_rows_that_pruning_leaves(weights):
    engine = Engine(weights)
    settings = engine.strategy("entropy", gates=(1,), max_entropy=0.6, neighbours=0, exit_entities=True)
    engine = Engine(replace(weights, points={"entropy": {"fast": settings}}))
    with quantise.recorded(engine.encoder) as inputs:
        for strategy in quantise.strategies(engine):
            engine.tag(TEXT, strategy)
    rows = {number: [hidden.shape[1] for hidden, *_ in seen] for number, seen in inputs.items()}
    assert rows[1][0] == rows[1][1] == rows[3][0] > rows[3][1]


@needs_vnni
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("strategy", ["dense", "entropy", "entropy+recovery", "rule", "truncate-2"])
def test_every_strategy_runs_near_float32_and_the_same_alone_as_among_others(engine, quantised, strategy):
    texts = [TEXT, TEXT[:40], TEXT[30:] * 3]
    for text, among in zip(texts, quantised.tag_batch(texts, strategy), strict=True):
        alone = quantised.tag(text, strategy)
        np.testing.assert_allclose(alone.probabilities, among.probabilities, atol=1e-4)
    dense = engine.tag_batch(texts, "dense"), quantised.tag_batch(texts, "dense")
    error = np.concatenate([a.probabilities - b.probabilities for a, b in zip(*dense, strict=True)])
    assert 0 < np.abs(error).mean() < 0.1


def test_float32_stays_as_it_was_and_runs_in_8_bits_do_not_mix_with_it(engine, quantised):
    assert load_engine(quantised.folder, "float32").fingerprint == engine.fingerprint != quantised.fingerprint
    assert quantised.fingerprint == load_engine(quantised.folder, "int8").fingerprint
    assert quantised.digest == engine.digest
