"""OpenVINO's layers: as PyTorch's where nothing is quantised, near them in 8 bits, in every family."""

import copy
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.checkpoint import Weights
from engine.errors import InputError
from engine.model.encoders import Encoder
from engine.model.packing import RaggedBatch
from engine.model.runtimes.openvino import (
    Graphs,
    OpenVINORuntime,
    PaddedLayer,
    check_machine,
    convert,
    error_of_sample,
    inputs,
    layers_digest,
)
from engine.tagger import Engine
from engine.training.quantise import quantise, serialised
from tests.conftest import TEXT
from tests.engine.model.families import FAMILIES, every_family, gated, huggingface, pair, tiny, tokenizer_of
from tests.engine.model.test_packing import window

pytest.importorskip("openvino")

PLACING = ("bert", "mpnet", "deberta-v2", "modernbert")  # each has positions in its own way
WINDOWS = [
    window([1] * 94, offset=3),
    window([1] * 30, offset=5),
    window([2, 1] * 10, offset=9),
    window([1] * 7, offset=20),
]


def pruned(encoder: Encoder) -> tuple[RaggedBatch, torch.Tensor]:
    """A batch, without every third word, and its hidden states after layer 1."""
    batch = RaggedBatch.from_windows(WINDOWS)
    hidden = encoder.layer(1, encoder.embed(batch), batch).hidden
    batch, rows = batch.keep(np.arange(len(batch.words)) % 3 > 0)
    return batch, hidden[torch.from_numpy(rows)]


def unquantised(encoder: Encoder) -> Graphs:
    layers = {number: serialised(convert(encoder, number)) for number in range(1, encoder.num_layers + 1)}
    sample = [np.random.default_rng(0).normal(size=(1, 8, encoder.hidden_size)).astype(np.float32)] * 2
    sample += encoder.placed(1, *[np.arange(8)[None]] * 2)
    with torch.no_grad():
        output = PaddedLayer(encoder, 1)(*map(torch.from_numpy, sample)).numpy()
    return Graphs(layers, layers_digest(encoder), (sample, output))


@cache
def converted(family: str) -> tuple[Encoder, Graphs]:
    encoder = pair(family)[1].encoder
    return encoder, unquantised(encoder)


@pytest.fixture(scope="module")
def bert() -> tuple[Encoder, Graphs]:
    return converted("bert")


@torch.no_grad()
@every_family
def test_a_padded_layer_equals_the_packed_one(family):
    encoder = pair(family)[1].encoder
    batch, hidden = pruned(encoder)
    for number in range(2, encoder.num_layers + 1):
        layer = PaddedLayer(encoder, number)
        shape, places = inputs(encoder, number, batch)
        groups = zip(shape.split(shape.pad(hidden.numpy())), places, strict=True)
        computed = [layer(*map(torch.from_numpy, (rows, rows, *of_places))) for rows, of_places in groups]
        found = torch.from_numpy(shape.unpad(torch.cat([one.flatten(0, 1) for one in computed]).numpy()))
        hidden = encoder.layer(number, hidden, batch).hidden
        torch.testing.assert_close(found, hidden, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "family",
    [
        family if family in PLACING else pytest.param(family, marks=pytest.mark.slow)  # converting takes seconds
        for family in FAMILIES
    ],
)
def test_where_nothing_is_quantised_its_layers_equal_pytorchs(family):
    encoder, graphs = converted(family)
    other = copy.deepcopy(encoder)
    other.runtime = OpenVINORuntime(encoder, graphs)
    batch, hidden = pruned(encoder)
    found = hidden
    for number in range(2, encoder.num_layers + 1):
        expected, of_other = encoder.layer(number, hidden, batch), other.layer(number, found, batch)
        torch.testing.assert_close(of_other.hidden, expected.hidden, atol=1e-4, rtol=1e-4)
        for theirs, ours in zip(of_other.attend().windows(), expected.attend().windows(), strict=True):
            torch.testing.assert_close(torch.cat(list(theirs), 1), torch.cat(list(ours), 1), atol=1e-4, rtol=1e-4)
        hidden, found = expected.hidden, of_other.hidden


@pytest.mark.slow
@every_family
def test_in_8_bits_texts_come_out_near_float32_and_the_same_alone_as_among_others(family):
    pytest.importorskip("nncf")
    tokenizer = tokenizer_of(family)
    model = gated(huggingface(tiny(family, len(tokenizer)), spread=0.1))
    plain, quantised = (Engine(Weights("tiny", Path("tiny"), model, tokenizer, tuple(range(5)))) for _ in range(2))
    quantised.encoder.runtime = OpenVINORuntime(quantised.encoder, quantise(plain, [TEXT, TEXT.lower(), TEXT[30:]]))
    texts = [TEXT, "Nausea.", TEXT[20:], TEXT * 4]
    for name, settings in {
        "dense": {},
        "entropy": {"gates": (1, 2), "max_entropy": 0.97},
        "rule": {"gates": (1,), "lambda_": 2.0},
        "truncate-2": {},
    }.items():
        together = quantised.tag_batch(texts, name, **settings)
        for text, among in zip(texts, together, strict=True):
            alone = quantised.tag(text, name, **settings)
            np.testing.assert_allclose(alone.probabilities, among.probabilities, atol=1e-4)
        expected = plain.tag_batch(texts, name, **settings)
        error = np.concatenate([a.probabilities - b.probabilities for a, b in zip(together, expected, strict=True)])
        assert 0 < np.abs(error).mean() < 0.02


def test_a_file_gives_back_the_same_layers(bert, tmp_path):
    encoder, graphs = bert
    graphs.save(tmp_path / "int8.safetensors")
    again = Graphs.load(tmp_path / "int8.safetensors")
    again.check(encoder)
    assert again.layers == graphs.layers
    assert error_of_sample(again) < 1e-4
    check_machine(tmp_path / "int8.safetensors", again)


def test_a_process_of_its_own_finds_wrong_numbers(bert, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.runs.cache_folder", lambda: tmp_path)
    inputs, output = bert[1].sample
    wrong = Graphs(bert[1].layers, bert[1].digest, (inputs, output[::-1, ::-1]))
    wrong.save(tmp_path / "int8.safetensors")
    with pytest.raises(InputError, match=r"expected a machine that runs dtype int8, got .* differs"):
        check_machine(tmp_path / "int8.safetensors", wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@torch.no_grad()
def test_a_fork_after_the_first_call_is_refused_instead_of_waiting_for_threads_that_are_gone(bert):
    encoder = copy.deepcopy(bert[0])
    encoder.runtime = OpenVINORuntime(*bert)
    batch = RaggedBatch.from_windows(WINDOWS)
    hidden = encoder.embed(batch)
    encoder.layer(1, hidden, batch)
    if not (child := os.fork()):
        try:
            encoder.layer(1, hidden, batch)
        except InputError as error:
            os._exit("forked" not in str(error))
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
